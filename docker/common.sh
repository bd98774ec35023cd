# What docker/build and docker/wheelhouse share; sourced by them.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
requirements=$repository/requirements

fail() {
  echo "docker/${0##*/}: $1" >&2
  [ -z "${2-}" ] || echo "  $2" >&2
  exit 1
}

need_engine() {
  docker version >/dev/null 2>&1 || fail "no Docker Engine answers" "Start it, or see what is wrong: docker version"
}

need_base() {
  docker image inspect "$1" >/dev/null 2>&1 || fail "the base image $1 is not here" \
    "docker pull $1, or where no registry is in reach: docker/base --tag $1"
}

# The release that requirements/agent.lock pins, as in 2026.4.
newest_openvino() {
  sed -n 's/^openvino==\([0-9]*\.[0-9]*\).*/\1/p' "$requirements/agent.lock"
}

# The lock file of an image's packages: of ftp, integrator, or agent-<release of OpenVINO>.
lock_of() {
  local release=${1#agent-} lock
  case $1 in
    agent-*)
      [[ $release =~ ^[0-9]{4}\.[0-9]+(\.[0-9]+)?$ ]] || fail "$release is no release of OpenVINO" "As in: 2026.4"
      if [ "$release" = "$(newest_openvino)" ]; then
        lock=$requirements/agent.lock
      else
        lock=$requirements/openvino-$release.lock
      fi
      ;;
    *) lock=$requirements/$1.lock ;;
  esac
  [ -f "$lock" ] || fail "${lock#"$repository/"} is not there" "Make it: make lock-openvino OPENVINO=$release"
  echo "$lock"
}

# Where the packages of one set lie in a wheelhouse. Its name tells from which lock file: another one is another set.
set_folder() {
  local key
  key=$(cat "$(lock_of "$2")" "$requirements/sdist.lock" | sha256sum)
  echo "$1/$2-${key:0:12}"
}

# Packages of Debian, by what they are for.
debian_packages() {
  case $1 in
    system) echo "python3.11 tini" ;;
    tools) echo "python3.11-venv" ;;
    gpu) echo "intel-opencl-icd ocl-icd-libopencl1 libze1" ;;
  esac
}

# What a package needs besides itself depends on what the base image has, so its identity is in the name.
debian_folder() { # group, base image, wheelhouse
  local key
  key=$(echo "$(docker image inspect --format '{{.Id}}' "$2") $(debian_packages "$1")" | sha256sum)
  echo "$3/debian-$1-${key:0:12}"
}
