#!/bin/sh
# Accounts of the agent and of the integrator on the server of docker-compose.yml, each handed over on a volume that
# only its owner mounts. Accounts that are there stay as they are.
set -eu

account() { # name, the hand-over file, its owner, further options
  name=$1 file=$2 owner=$3
  shift 3
  if fleetmark machine list --server-root /server | grep -q "^$name "; then
    [ -e "$file" ] || fleetmark machine rotate "$name" --server-root /server --out "$file"
  else
    fleetmark machine add "$name" --server-root /server --out "$file" --force "$@"
  fi
  chown "$owner" "$file" "$(dirname "$file")"
  chmod 700 "$(dirname "$file")"
}

# Results belong to whoever the checkout belongs to.
somebody=$(stat -c %u:%g /compose)
account box /agent/account.json fleetmark:fleetmark
account integrator /handover/integrator.account.json "$somebody" --integrator
chown "$somebody" /out

# It stays, because `up --exit-code-from integrator` ends everything as soon as any container has ended.
touch /tmp/done
exec sleep infinity
