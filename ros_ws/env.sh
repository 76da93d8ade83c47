# The environment of a ROS 2 run on one machine from .venv. Source it from bash or zsh: . ros_ws/env.sh
# It sets nothing where .venv has no ROS messages; ROS_DOMAIN_ID stays as it is (0 unless you set it).

_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
_venv=$_root/.venv

if [ -e "$_venv/stamps/ros" ]; then
  # A sourced ROS 2 comes after .venv; the wheels' Python finds its libraries by itself.
  if [ -n "${ROS_DISTRO:-}" ]; then
    export AMENT_PREFIX_PATH=$_venv${AMENT_PREFIX_PATH:+:${AMENT_PREFIX_PATH#"$_venv:"}}
    export LD_LIBRARY_PATH=$_venv/lib${LD_LIBRARY_PATH:+:${LD_LIBRARY_PATH#"$_venv/lib:"}}
  else
    export AMENT_PREFIX_PATH=$_venv
    unset LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE # those of another environment's wheels
  fi
  # Shared memory large enough for images, UDP on the loopback only.
  case ${ROS_DISTRO:-} in
    humble | jazzy) export FASTRTPS_DEFAULT_PROFILES_FILE=${FASTRTPS_DEFAULT_PROFILES_FILE:-$_root/ros_ws/fastdds_loopback.xml} ;;
    *) export FASTDDS_DEFAULT_PROFILES_FILE=${FASTDDS_DEFAULT_PROFILES_FILE:-$_root/ros_ws/fastdds_loopback.xml} ;;
  esac
  export ROS_AUTOMATIC_DISCOVERY_RANGE=${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}
  export ROS_LOG_DIR=${ROS_LOG_DIR:-$_root/out/ros_log} # rclpy fails where HOME cannot be written
fi
unset _root _venv
