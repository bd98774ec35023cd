#!/bin/sh
# What happens in a box of the test lab.
#   boot          start sshd and the engine, then stay
#   engine        start the engine, and come back when it answers
#   engine-kill   end the engine as a crash would; what it ran is found dead, or ended, at its next start
#   cut, join     drop every packet that comes in or goes out, and no longer
set -eu

engine() {
    if [ -n "$(pidof dockerd || true)" ]; then
        return 0
    fi
    rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
    setsid dockerd --cgroup-parent="/$BOX" --log-level=warn >>/var/log/dockerd.log 2>&1 </dev/null &
    tries=0
    until docker version >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ]; then
            tail -n 20 /var/log/dockerd.log >&2
            exit 1
        fi
        sleep 0.1
    done
}

case "$1" in
boot)
    rm -f /run/booted # a box that was switched off has it still
    [ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
    install -d -m 700 -o fleet -g fleet /home/fleet/.ssh
    printf '%s\n' "$AUTHORIZED_KEY" >/home/fleet/.ssh/authorized_keys
    chown fleet:fleet /home/fleet/.ssh/authorized_keys
    mkdir -p /run/sshd
    /usr/sbin/sshd -o MaxStartups=50 -o PasswordAuthentication=no -o UseDNS=no
    engine
    touch /run/booted
    exec sleep infinity
    ;;
engine)
    engine
    ;;
engine-kill)
    # dockerd takes its containerd along; the shims and what they run stay, as after a crash.
    kill -9 $(pidof dockerd)
    while [ -n "$(pidof dockerd || true)" ]; do sleep 0.05; done
    ;;
cut)
    iptables -I INPUT 1 ! -i lo -j DROP
    iptables -I FORWARD 1 -j DROP
    iptables -I OUTPUT 1 ! -o lo -j DROP
    ;;
join)
    iptables -D INPUT ! -i lo -j DROP
    iptables -D FORWARD -j DROP
    iptables -D OUTPUT ! -o lo -j DROP
    ;;
*)
    echo "box: unknown: $1" >&2
    exit 2
    ;;
esac
