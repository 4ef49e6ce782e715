"""One set-up for colcon (ament_python) and for pip."""

import sys
from glob import glob

from setuptools import find_packages, setup

NAME = "umad_patrol"
EXECUTABLES = {
    "patrol_node": "umad_patrol.ros.patrol_node:main",
    "teach_node": "umad_patrol.ros.teach_node:main",
    "bag_player": "umad_patrol.ros.bag_player:main",
    "listener": "umad_patrol.ros.listener:main",
    "umad-patrol": "umad_patrol.cli.main:main",
}

data_files = [
    ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
    (f"share/{NAME}", ["package.xml"]),
    (f"share/{NAME}/launch", sorted(glob("launch/*.launch.py"))),
    (f"share/{NAME}/config", sorted(glob("config/*"))),
]
if "bdist_wheel" in sys.argv:
    # pip puts the executables in bin/, `ros2 launch` looks in lib/umad_patrol/: there a script leads from one to the other.
    # colcon puts the executables there itself (setup.cfg).
    data_files.append((f"lib/{NAME}", [f"resource/bin/{name}" for name in EXECUTABLES]))

setup(
    name=NAME,
    version="0.1.0",
    description="Reference-based anomaly detection for patrol robots",
    maintainer="Umad Patrol Maintainers",
    maintainer_email="maintainers@umad-patrol.org",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={"": ["*.safetensors", "*.onnx", "*.md"]},
    data_files=data_files,
    install_requires=["numpy>=1.26,<3", "PyYAML", "jinja2", "tqdm", "opencv-python-headless>=4.6,<6", "torch", "kornia", "rosbags",
                      "safetensors", "open3d-cpu; platform_machine == 'x86_64'", "open3d; platform_machine != 'x86_64'", "libusb-package"],
    extras_require={
        "test": ["pytest>=8.0,<8.4", "hypothesis"],
        "assets": ["trimesh>=4,<6", "Pillow>=10"],
        "fast": ["onnxruntime>=1.20", "openvino>=2024.6"],
        "export": ["onnx>=1.17", "onnxscript>=0.5", "onnxruntime>=1.20"],
    },
    zip_safe=False,     # weights are opened by their path
    entry_points={"console_scripts": [f"{name} = {target}" for name, target in EXECUTABLES.items()]},
)
