# Runs in a container of the base image, for docker/wheelhouse: from the settings in /in to packages in /out.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

mkdir -p /out /empty
if [ -f /in/sources.list ]; then
  rm -f /etc/apt/sources.list.d/*
  cp /in/sources.list /etc/apt/sources.list
fi
if [ -s /in/ca.pem ]; then
  echo 'Acquire::https::CAInfo "/in/ca.pem";' >/etc/apt/apt.conf.d/90ca
fi
apt-get update

# Each with all that it needs and this image has not.
for group in system tools gpu; do
  [ -f "/in/debian-$group" ] || continue
  folder=/out/debian-$group
  mkdir -p "$folder/partial"
  xargs apt-get install -y --no-install-recommends --download-only -o "Dir::Cache::archives=$folder" \
    <"/in/debian-$group"
  rm -rf "$folder/partial" "$folder/lock"
  (cd "$folder" && sha256sum ./*.deb >SHA256SUMS)
done

shopt -s nullglob
locks=(/in/locks/*)
[ ${#locks[@]} -gt 0 ] || exit 0
xargs apt-get install -y --no-install-recommends ca-certificates </in/needed
cat /etc/ssl/certs/ca-certificates.crt /in/ca.pem >/tmp/ca.pem
[ ! -f /in/pip.conf ] || cp /in/pip.conf /etc/pip.conf
export PIP_CERT=/tmp/ca.pem PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off
python3.11 -m venv /tmp/venv
pip=/tmp/venv/bin/pip
# pip asks a package that comes as source for its name, and that takes what it is built with.
"$pip" install --require-hashes -r /in/sdist.lock
for lock in "${locks[@]}"; do
  folder=/out/${lock##*/}
  for list in "$lock" /in/sdist.lock; do
    "$pip" download --no-deps --no-build-isolation --require-hashes -r "$list" -d "$folder"
  done
  cp "$lock" "$folder/requirements.lock"
  cp /in/sdist.lock "$folder/sdist.lock"
done
