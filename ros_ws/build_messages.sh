#!/usr/bin/env bash
# Build robomem_msgs, and tf2_msgs where there is none, into a virtual environment:
#   ros_ws/build_messages.sh .venv
# against the ROS 2 wheels installed in it, or else against the sourced ROS 2.
set -eu

ros_ws=$(cd "$(dirname "$0")" && pwd)
venv=$(cd "$1" && pwd)
python=$venv/bin/python
build=$venv/build

main() {
  export PATH=$venv/bin:$PATH
  if [ -z "${ROS_DISTRO:-}" ]; then
    unset PYTHONPATH LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE # those of another environment
    unset CMAKE_PREFIX_PATH
    export AMENT_PREFIX_PATH=$venv
    rewrite_wheel_paths
  fi
  export CMAKE_PREFIX_PATH=$venv${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}
  if command -v ninja; then export CMAKE_GENERATOR=Ninja; fi

  has_tf2_msgs || build_package underlay/tf2_msgs
  build_package src/robomem_msgs
  rm -rf "$build"
}

# The wheels' CMake files name the folders of the machine that built them.
rewrite_wheel_paths() {
  local python_include numpy_include
  python_include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  numpy_include=$("$python" -c 'import numpy; print(numpy.get_include())')
  find "$venv"/share/*/cmake -name '*.cmake' -exec grep -lE '/opt/python/cp3' {} + | while read -r file; do
    sed -E -e "s#/opt/python/[^;\"]*/numpy/_core/include#$numpy_include#g" \
      -e "s#/opt/python/[^;\"]*/include/python3\.[0-9]+#$python_include#g" "$file" >"$file.new"
    mv "$file.new" "$file"
  done
}

# Says whether ROS 2 brings tf2_msgs; the one that an earlier build put into .venv does not count.
has_tf2_msgs() {
  "$python" -c 'import sys, tf2_msgs; sys.exit(tf2_msgs.__file__.startswith(sys.prefix))' 2>/dev/null
}

build_package() {
  local name=${1##*/}
  rm -rf "${build:?}/$name"
  cmake -S "$ros_ws/$1" -B "$build/$name" -DCMAKE_INSTALL_PREFIX="$venv" \
    -DPython3_EXECUTABLE="$python" -DBUILD_TESTING=OFF
  cmake --build "$build/$name" --parallel
  cmake --install "$build/$name"
}

main
