# Sourced by `gen` with $root set: sets up what is missing, then exports the environment of the stack.

# The interpreter that sets up: the one named by GEN_PYTHON, else the first that is new enough, else what there is.
find_python() {
  local name
  if [[ -n "${GEN_PYTHON-}" ]]; then command -v "$GEN_PYTHON" || true; return; fi
  for name in python3 python3.11 python3.12 python3.13; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then command -v "$name"; return; fi
  done
  command -v python3 || true
}

# Prepends $2 to the path list $1.
prepend() { export "$1=$2${!1:+:${!1}}"; }

# This variable without the library path beside it makes a broken rclpy: never inherit one without the other.
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
python=$(find_python)
if [[ -z "$python" ]]; then
  echo "gen setup: no ${GEN_PYTHON:-Python} found. Install: sudo apt install python3 python3-venv python3-dev" >&2
  exit 1
fi
"$python" -I "$root/tools/setup_env.py" || exit $?

if [[ -z "${ROS_DISTRO-}" ]]; then
  # ROS lives in .venv; whatever another workspace left in these would be mixed into it.
  AMENT_PREFIX_PATH='' PYTHONPATH='' LD_LIBRARY_PATH=''
  prepend AMENT_PREFIX_PATH "$root/.venv"
  prepend LD_LIBRARY_PATH "$root/.venv/lib"
  for libraries in "$root"/.venv/lib/python3*/site-packages/ros_*.libs; do
    [[ -d "$libraries" ]] && prepend LD_LIBRARY_PATH "$libraries"
  done
  export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
fi
export VIRTUAL_ENV="$root/.venv"
prepend PATH "$root/.venv/bin"
prepend AMENT_PREFIX_PATH "$root/install/gen_stack"
prepend LD_LIBRARY_PATH "$root/install/gen_stack/lib"
for packages in "$root"/install/gen_stack/{,local/}lib/python3*/{site,dist}-packages; do
  [[ -d "$packages" ]] && prepend PYTHONPATH "$packages"
done
prepend PYTHONPATH "$root"
unset PYTHONHOME python libraries packages
