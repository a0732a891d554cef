#!/bin/sh
# Set the project up: Debian packages of the host, then the Python environment in .venv.
# Usage: lab/setup.sh site|book|class|test   Safe to repeat; does nothing when nothing is missing.
# It asks once on a terminal before it installs packages; CI=true or YES=1 means yes.
set -eu
cd "$(dirname "$0")/.."
what=${1:?usage: lab/setup.sh site|book|class|test}
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $1"; say "  next: $2"; exit 2; }

case $what in   # each target needs what the smaller ones need, too
    site) groups=site ;;
    book) groups='site|book' ;;
    class) groups='site|book|class' ;;
    test) groups='site|book|class|test' ;;
    *) fail "no such target: $what" "lab/setup.sh site|book|class|test" ;;
esac

wanted() {   # name, tab, reason of each package this target needs
    sed -nE "s/^([a-z0-9][a-z0-9.+-]*)[[:space:]]+($groups)[[:space:]]+(.*)/\\1\t\\3/p" lab/host-packages.txt
}

have() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null ||
    fail "Python 3.11, 3.12 or 3.13 is needed; '$python' is $("$python" --version 2>&1)" \
         "install one and say PYTHON=python3.11 make ..."

if command -v dpkg-query >/dev/null; then
    missing=$(wanted | while IFS="$(printf '\t')" read -r name reason; do have "$name" || printf '%s\t%s\n' "$name" "$reason"; done)
    # A Python of one's own (pyenv, python.org) brings venv along.
    if "$python" -c 'import ensurepip' 2>/dev/null; then missing=$(printf '%s\n' "$missing" | grep -v '^python3-venv' || true); fi
    if [ -n "$missing" ]; then
        say "Debian packages to install:"
        printf '%s\n' "$missing" | while IFS="$(printf '\t')" read -r name reason; do say "$(printf '  %-24s %s' "$name" "$reason")"; done
        if [ "${CI:-}" != true ] && [ "${YES:-}" != 1 ]; then
            [ -t 0 ] || fail "packages are missing and there is nobody to ask" "YES=1 make $what"
            printf 'Install them now? [Y/n] ' >&2
            read -r answer
            case $answer in ''|[Yy]*) ;; *) fail "packages are missing" "install them yourself, then make again" ;; esac
        fi
        sudo=
        [ "$(id -u)" = 0 ] || { sudo=sudo; command -v sudo >/dev/null || fail "only root may install packages" "su -c 'lab/setup.sh $what'"; }
        names=$(printf '%s\n' "$missing" | cut -f1)
        # Programs are wanted, not services: while they are installed none is started, and sshd is not
        # left to start with this host.
        policy=
        if [ ! -e /usr/sbin/policy-rc.d ]; then
            policy=/usr/sbin/policy-rc.d
            trap '$sudo rm -f $policy' EXIT
            printf '#!/bin/sh\nexit 101\n' | $sudo install -m 755 /dev/stdin $policy
        fi
        $sudo apt-get -q update >&2
        # shellcheck disable=SC2086  # one word a package
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $names >&2 || failed=1
        [ -z "$policy" ] || { $sudo rm -f "$policy"; trap - EXIT; }
        case $names in *openssh-server*) $sudo systemctl --quiet disable ssh.service >&2 2>/dev/null || true ;; esac
        [ -z "${failed:-}" ] || fail "apt-get could not install them" "see its lines above"
    fi
else
    say "setup: this is no Debian or Ubuntu: install what lab/host-packages.txt lists, or use Vagrant (see README)"
fi

stamp=.venv/.locked
lock=$( (cat requirements.txt pyproject.toml; "$python" --version) | sha256sum | cut -d' ' -f1)
if [ "$(cat $stamp 2>/dev/null)" != "$lock" ]; then
    say "Python packages: exactly those of requirements.txt, into .venv (once, half a minute)"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    pip='.venv/bin/python -m pip install --quiet --disable-pip-version-check'
    # uv is several times as fast, but knows nothing of pip's settings (a mirror, its certificate): where it fails, pip goes on.
    sed -n '/^uv==/,/^ *# via/p' requirements.txt | $pip --require-hashes -r /dev/stdin &&
        UV_COMPILE_BYTECODE="${UV_COMPILE_BYTECODE-1}" \
            .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.txt ||
        $pip --require-hashes -r requirements.txt ||
        fail "pip could not install requirements.txt" "see its lines above; rm -rf .venv starts anew"
    $pip --no-deps --no-build-isolation --editable . ||
        fail "pip could not install the lab package" "see its lines above"
    printf '%s\n' "$lock" > $stamp
fi

npm_packages() {   # folder with a lock, where its packages go
    lock=$(sha256sum < "$1/package-lock.json")
    [ "$(cat "$2/.locked" 2>/dev/null)" != "$lock" ] || return 0
    say "npm packages: exactly those of $1/package-lock.json, into $2 (once, a quarter of a minute)"
    mkdir -p "$2"
    cp "$1/package.json" "$1/package-lock.json" "$2"
    PATH=$PWD/.venv/bin:$PATH npm ci --prefix "$2" --ignore-scripts --no-audit --no-fund --loglevel error >&2 ||
        fail "npm could not install $1" "see its lines above"
    printf '%s\n' "$lock" > "$2/.locked"
}

case $what in
    class|test)
        npm_packages lab/classroom/proxy .venv/proxy
        npm_packages lab/classroom/instructor .venv/instructor
        ;;
esac
case $what in test) npm_packages tests/node .venv/node ;; esac
