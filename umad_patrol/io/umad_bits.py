"""What the bits of a label picture mean: those of UMAD-1.0's masks (UMAD, arXiv 2408.12527), which simulated worlds are labelled with as well."""

ANOMALY, HORIZON = 128, 64                                      # new in the query; below the horizon
PERSON_IN_QUERY, VEHICLE_IN_QUERY, MOVED_IN_QUERY = 32, 16, 8
PERSON_IN_REFERENCE, VEHICLE_IN_REFERENCE, MOVED_IN_REFERENCE = 4, 2, 1
DYNAMIC_IN_QUERY = PERSON_IN_QUERY | VEHICLE_IN_QUERY
DYNAMIC_IN_REFERENCE = PERSON_IN_REFERENCE | VEHICLE_IN_REFERENCE
OTHERS = DYNAMIC_IN_QUERY | MOVED_IN_QUERY | DYNAMIC_IN_REFERENCE | MOVED_IN_REFERENCE  # whatever changed and is no anomaly
