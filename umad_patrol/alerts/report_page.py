"""The page of a report: HTML with its style, one Jinja2 template; every value is escaped by the environment that renders it."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { --paper: #f6f7f9; --card: #fff; --ink: #1b2430; --soft: #5d6b7c; --line: #dfe4ea; --good: #2f9e6e; --bad: #d9480f;
  --none: #98a2ae; --alert: #d6264c; --truth: #1971c2; --accent: #2b4c7e; }
@media (prefers-color-scheme: dark) { :root { --paper: #11161d; --card: #1a212b; --ink: #e6ebf1; --soft: #95a3b4; --line: #2c3643;
  --good: #3fbf88; --bad: #ff8a4c; --none: #5d6975; --alert: #ff5c7a; --truth: #5fb0f5; --accent: #8fb4e8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 2px; letter-spacing: -.01em; } h2 { font-size: 18px; margin: 36px 0 12px; }
.soft { color: var(--soft); } p { margin: 4px 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 18px; }
.figure, .card, .panel { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.figure { padding: 12px 16px; } .figure b { display: block; font-size: 24px; line-height: 1.25; font-weight: 650; }
.figure.hot b { color: var(--alert); } .figure span { color: var(--soft); font-size: 13px; }
.panel { padding: 14px; overflow-x: auto; } svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 12px; font-family: inherit; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; margin-top: 10px; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 18px; height: 5px; border-radius: 3px; margin-right: 6px; vertical-align: middle; }
.legend i.dot { width: 12px; height: 12px; border-radius: 50%; } .legend i.ring { width: 12px; height: 12px; border-radius: 50%; border: 2px solid; }
.card { margin: 14px 0; overflow: hidden; scroll-margin-top: 16px; }
.card header { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 14px; padding: 12px 16px; border-bottom: 1px solid var(--line); }
.card header b { font-size: 17px; } .pill { border-radius: 999px; padding: 1px 10px; font-size: 12.5px; font-weight: 600; color: #fff; }
.number { background: var(--alert); min-width: 26px; text-align: center; padding: 2px 7px; }
.pill.active { background: var(--alert); } .pill.cleared { background: var(--good); } .pill.dismissed { background: var(--none); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 8px 18px; margin: 0; padding: 12px 16px; }
dt { color: var(--soft); font-size: 12.5px; } dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.pictures { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 1fr); gap: 14px; padding: 2px 16px 16px; align-items: start; }
.details { display: grid; gap: 8px; } @media (max-width: 700px) { .pictures { grid-template-columns: 1fr; } }
figure { margin: 0; } figure img { display: block; width: 100%; height: auto; border-radius: 6px; background: #0003; }
figcaption { color: var(--soft); font-size: 12.5px; margin-top: 3px; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: 13px; } td { font-variant-numeric: tabular-nums; } tr:last-child td { border-bottom: 0; }
.bar { display: flex; height: 14px; border-radius: 7px; overflow: hidden; margin: 4px 0 12px; background: var(--line); }
.compared { background: var(--good); stroke: var(--good); } .not-comparable { background: var(--bad); stroke: var(--bad); }
.no-reference { background: var(--none); stroke: var(--none); }
footer { margin-top: 40px; font-size: 13px; color: var(--soft); }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
</style>
</head>
<body><main>
<h1>{{ title }}</h1>
<p class="soft">{{ period }}</p>
<section class="figures">
{% for figure in figures %}<div class="figure{{ ' hot' if figure.hot }}"><b>{{ figure.value }}</b><span>{{ figure.name }}</span></div>
{% endfor %}</section>

<h2>Route and alerts</h2>
<div class="panel">
<svg viewBox="0 0 {{ plot.width }} {{ plot.height }}" role="img" aria-label="Map of the route with {{ alerts|length }} alerts">
{% for line in plot.grid %}<line x1="{{ line[0] }}" y1="{{ line[1] }}" x2="{{ line[2] }}" y2="{{ line[3] }}" stroke="var(--line)"/>
{% endfor %}{% for route in plot.routes %}<polyline points="{{ route }}" fill="none" stroke="var(--line)" stroke-width="11" stroke-linecap="round" stroke-linejoin="round"/>
{% endfor %}{% for part in plot.track %}<polyline points="{{ part.points }}" class="{{ part.css }}" style="fill:none" stroke-width="3.5" stroke-linecap="round" stroke-linejoin="round"/>
{% endfor %}{% if plot.start %}<circle cx="{{ plot.start[0] }}" cy="{{ plot.start[1] }}" r="5" fill="var(--card)" stroke="var(--ink)" stroke-width="2"><title>start</title></circle>
{% endif %}{% for ring in plot.rings %}<circle cx="{{ ring.x }}" cy="{{ ring.y }}" r="13" fill="none" stroke="var(--truth)" stroke-width="2"><title>planted: {{ ring.name }}</title></circle>
{% endfor %}{% for mark in plot.marks %}<a href="#{{ mark.anchor }}"><circle cx="{{ mark.x }}" cy="{{ mark.y }}" r="9" fill="var({{ mark.colour }})" stroke="var(--card)" stroke-width="1.5"/>
<text x="{{ mark.x }}" y="{{ mark.y + 4 }}" text-anchor="middle" style="fill:#fff;font-size:11px;font-weight:700">{{ mark.number }}</text><title>{{ mark.name }}</title></a>
{% endfor %}<g transform="translate({{ plot.bar.x }},{{ plot.bar.y }})"><path d="M0 -5V0H{{ plot.bar.length }}V-5" fill="none" stroke="var(--ink)" stroke-width="1.5"/>
<text x="{{ plot.bar.length / 2 }}" y="-6" text-anchor="middle">{{ plot.bar.text }}</text></g>
<g transform="translate({{ plot.width - 52 }},44)" stroke="var(--ink)" stroke-width="1.5" fill="none"><path d="M0 0V-26M-4 -20L0 -27L4 -20M0 0H26M20 -4L27 0L20 4"/>
<text x="-4" y="-31" stroke="none">y</text><text x="31" y="4" stroke="none">x</text></g>
</svg>
<div class="legend"><span><i class="compared"></i>compared</span><span><i class="not-comparable"></i>not comparable</span>
<span><i class="no-reference"></i>no reference</span><span><i style="background:var(--line);height:9px"></i>taught route</span>
<span><i class="dot" style="background:var(--alert)"></i>alert</span><span><i class="dot" style="background:var(--good)"></i>cleared</span>
{% if plot.rings %}<span><i class="ring" style="border-color:var(--truth)"></i>planted</span>{% endif %}</div>
</div>

{% for table in tables if table.rows %}<h2>{{ table.title }}</h2>
<div class="panel"><table><thead><tr>{% for name in table.columns %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table></div>
{% endfor %}
<h2>Alerts</h2>
{% if coverage.blind %}<div class="panel soft">No picture could be compared, so nothing is known of what is new: the table below says why.</div>
{% elif not alerts %}<div class="panel soft">Nothing new was found{{ ' where pictures could be compared' if coverage.partial }}.</div>
{% endif %}{% if alerts %}<p class="soft">In the whole pictures red is new, blue passes by, yellow was moved or is gone; the box with its number is the alert.</p>
{% endif %}{% for alert in alerts %}<article class="card" id="{{ alert.anchor }}">
<header><span class="pill number">{{ alert.number }}</span><b>{{ alert.id }}</b><span>{{ alert.class_name }}</span>
<span class="pill {{ alert.state }}">{{ alert.state }}</span><span class="soft">score {{ alert.score }}</span></header>
<dl>{% for name, value in alert.facts %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>
{% if alert.whole or alert.details %}<div class="pictures">{% if alert.whole %}<figure><img src="{{ alert.whole.data }}" alt="{{ alert.whole.caption }} of {{ alert.id }}" loading="lazy"><figcaption>{{ alert.whole.caption }}</figcaption></figure>
{% endif %}<div class="details">{% for picture in alert.details %}<figure><img src="{{ picture.data }}" alt="{{ picture.caption }} of {{ alert.id }}" loading="lazy"><figcaption>{{ picture.caption }}</figcaption></figure>
{% endfor %}</div></div>{% else %}<p class="soft" style="padding:0 16px 14px">No pictures are kept of this alert.</p>{% endif %}
</article>
{% endfor %}
<h2>Coverage</h2>
<div class="panel">
{% if coverage.rows %}<div class="bar">{% for share in coverage.shares %}<span class="{{ share.css }}" style="width:{{ share.percent }}%"></span>{% endfor %}</div>
<table><thead><tr><th>status</th><th>why</th><th>metres</th><th>frames</th><th>where (x, y)</th></tr></thead>
<tbody>{% for row in coverage.rows %}<tr><td>{{ row.status }}</td><td>{{ row.reason }}</td><td>{{ row.metres }}</td><td>{{ row.frames }}</td><td>{{ row.where }}</td></tr>
{% endfor %}</tbody></table>{% else %}<span class="soft">No frame has been seen.</span>{% endif %}
</div>
<footer>{{ footer }}</footer>
</main></body></html>
"""
