#!/bin/sh
# Installs isocket, with its own Node where the machine has none that is new enough. Asks nothing; a second run changes nothing.
# Everything outside PREFIX is written below $DESTDIR (empty: this system), and listed for --uninstall.
set -eu
# What is installed is for every user, whatever root's umask is.
umask 022

# What is installed where the machine has no Node that is new enough: the version of package-lock.json, and the SHA-256 of its bin/node.
NODE_MAJOR=24
NODE_VERSION=24.21.0
NODE_SHA256_x64=7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c
NODE_SHA256_arm64=0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584
usage() {
  cat <<'TEXT'
usage: install.sh [--prefix DIR] [--from FILE.tgz] [--daemon [SITE] | --cron [SITE] [--every 5m]] [--receiver]
                  [--user NAME] [--with-rsync] [--with-inotify] [--dry-run]
       install.sh --pack FILE.tgz
       install.sh [--prefix DIR] --uninstall [SITE] [--purge]

  --prefix DIR      where to (default: /usr/local for root, else ~/.local); isocket is DIR/bin/isocket
  --from FILE.tgz   install this package instead of the clone that install.sh lies in
  --pack FILE.tgz   make a package with everything, Node included: it installs without npm and without a network
  --daemon [SITE]   a systemd service for the site (default: the host's name): isocket@SITE
  --cron [SITE]     a cron entry for the site instead; --every 5m (1m … 59m, 1h … 23h) says how often. A site has one of both:
                    the other one is taken away
  --receiver        a systemd service that receives: isocket-receive
  --user NAME       who runs the site (default: who runs it now, else isocket, created where it is missing; without root: you).
                    Only the owner of a file may mark it: name the parser's user here, or run the parser as isocket
  --with-rsync, --with-inotify   add the system's packages rsync, inotify-tools
  --dry-run         print what would be done, and do nothing
  --uninstall       remove all of it but configuration and state; with a SITE, only what runs that site
  --purge           with --uninstall: remove configuration and state too, and without a SITE the keys of the user isocket (never what
                    a receiver received)
TEXT
}

say() { printf '%s\n' "$*"; }
fail() {
  printf 'install.sh: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  %s\n' "$2" >&2
  exit "${3:-2}"
}
run() { if [ -n "$dry" ]; then say "would run: $*"; else "$@"; fi; }
has() { command -v "$1" >/dev/null 2>&1; }

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
uid=$(id -u)
prefix='' from='' pack='' daemon='' cron='' every=5m receiver='' given_user='' packages='' dry='' uninstall='' gone='' purge='' changed='' reload=''
destdir=${DESTDIR-}

need_value() { if [ -z "${2-}" ]; then fail "$1 needs a value" 'install.sh --help shows how'; fi; }
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) need_value "$@"; prefix=$2; shift ;;
    --from) need_value "$@"; from=$2; shift ;;
    --pack) need_value "$@"; pack=$2; shift ;;
    --every) need_value "$@"; every=$2; shift ;;
    --user) need_value "$@"; given_user=$2; shift ;;
    --daemon | --cron)
      site=$(uname -n)
      option=$1
      case ${2--} in -*) ;; *) site=$2; shift ;; esac
      case $option in --daemon) daemon=$site ;; *) cron=$site ;; esac ;;
    --receiver) receiver=yes ;;
    --with-rsync) packages="$packages rsync" ;;
    --with-inotify) packages="$packages inotify-tools" ;;
    --dry-run) dry=yes ;;
    --uninstall)
      uninstall=yes
      case ${2--} in -*) ;; *) gone=$2; shift ;; esac ;;
    --purge) purge=yes ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown option \"$1\"" 'install.sh --help lists them' ;;
  esac
  shift
done
for site in "$daemon" "$cron" "$gone"; do
  case $site in
    '') ;;
    .* | -* | *[!A-Za-z0-9_.-]*) fail "cannot use the site's name \"$site\"" 'letters, digits, "_", "-" and ".", not "." or "-" first' ;;
  esac
done
[ -z "$daemon" ] || [ "$daemon" != "$cron" ] || fail "cannot run site \"$cron\" by --daemon and by --cron" 'choose one of them'
[ -z "$purge" ] || [ -n "$uninstall" ] || fail 'cannot purge without --uninstall' 'install.sh --uninstall [SITE] --purge'
case $given_user in -* | *[!A-Za-z0-9_.@-]*) fail "cannot use --user \"$given_user\"" 'it is the name of a user: letters, digits and _.@-' ;; esac
if [ "$uid" -eq 0 ]; then
  prefix=${prefix:-/usr/local}
  etc=$destdir/etc units=$destdir/etc/systemd/system states=$destdir/var/lib/isocket
else
  prefix=${prefix:-$HOME/.local}
  etc=$destdir$HOME/.config units=$destdir$HOME/.config/systemd/user states=$destdir${XDG_STATE_HOME:-$HOME/.local/state}/isocket
  [ -z "$given_user" ] || [ "$given_user" = "$(id -un)" ] ||
    fail "cannot run a site as $given_user without root" "run install.sh as root, or as $given_user"
fi
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
case $prefix in *[!A-Za-z0-9_./+@~-]*) fail "cannot use --prefix \"$prefix\"" 'units and cron lines hold it: letters, digits and _./+@~- only' ;; esac
lib=$prefix/lib/isocket
program=$prefix/bin/isocket

schedule() { # 5m, 1h → the five fields of cron
  count=${every%?}
  case $count in '' | *[!0-9]* | 0*) count=99 ;; esac
  case $every in
    1m) say '* * * * *' ;;
    *m) [ "$count" -le 59 ] && say "*/$count * * * *" ;;
    1h) say '0 * * * *' ;;
    *h) [ "$count" -le 23 ] && say "0 */$count * * *" ;;
    *) false ;;
  esac
}
fields=$(schedule) || fail "cannot use --every \"$every\"" 'write 1m to 59m, or 1h to 23h'

# --- system packages ---------------------------------------------------------------------------------------------------------------

add_packages() { # names that are the same in all five package managers
  manager=''
  for manager in apt-get dnf apk pacman zypper ''; do [ -z "$manager" ] || ! has "$manager" || break; done
  case $manager in
    apt-get) set -- env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" ;;
    apk) set -- apk add "$@" ;;
    pacman) set -- pacman -S --noconfirm --needed "$@" ;;
    zypper) set -- zypper --non-interactive install "$@" ;;
    dnf) set -- dnf install -y "$@" ;;
    *) fail "cannot install $*: no known package manager" 'install it by hand, then run this again' 1 ;;
  esac
  [ "$uid" -eq 0 ] || [ -n "$dry" ] || fail 'cannot install packages without root' "run as root: $*" 1
  if [ "$manager" = apt-get ]; then run apt-get update -q; fi
  run "$@"
}

command_of() { case $1 in inotify-tools) say inotifywait ;; *) say "$1" ;; esac; }

need_npm() { has npm || add_packages npm; }

new_enough() {
  major=$("$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null) || return 1
  case $major in '' | *[!0-9]*) return 1 ;; esac
  [ "$major" -ge "$NODE_MAJOR" ]
}

# --- the program ------------------------------------------------------------------------------------------------------------------

if [ -z "$uninstall" ] && [ -z "$from" ] && [ ! -d "$here/src" ] && [ ! -d "$here/dist" ]; then
  for from in "$here"/isocket-*.tgz; do break; done
  [ -f "$from" ] || fail 'cannot find what to install' 'run install.sh in a clone, or name a package with --from FILE.tgz'
fi
[ -z "$from" ] || [ -f "$from" ] || fail "cannot read --from \"$from\": it is not there" 'make one with install.sh --pack FILE.tgz'

stamp() { # identifies what would be installed, in two numbers
  if [ -n "$from" ]; then
    cksum <"$from"
  else
    (cd "$here" && find src dist templates build.ts package.json package-lock.json install.sh -type f 2>/dev/null | LC_ALL=C sort |
      if [ -d src ]; then grep -v '^dist/'; else cat; fi | while read -r file; do cksum "$file"; done | cksum)
  fi
}

fetch_package() { # → $stage/package, with its dependencies
  if [ -n "$from" ]; then
    tar -xzf "$from" -C "$stage" || fail "cannot unpack \"$from\"" 'it must be a package made by npm pack or install.sh --pack'
  elif [ -d "$here/src" ]; then
    need_npm
    mkdir "$stage/clone"
    for name in src templates build.ts package.json package-lock.json tsconfig.json tsconfig.build.json docs README.md README.zh-TW.md ARCHITECTURE.md CHANGELOG.md SECURITY.md LICENSE install.sh; do
      [ ! -e "$here/$name" ] || cp -R "$here/$name" "$stage/clone/"
    done
    say 'building isocket'
    (
      cd "$stage/clone"
      if [ -x "$here/node_modules/.bin/rolldown" ]; then ln -s "$here/node_modules" node_modules; else npm ci --ignore-scripts --no-audit --no-fund; fi
      ISOCKET_COMMIT=$(git -C "$here" rev-parse --short=12 HEAD 2>/dev/null || echo 'not known')
      export ISOCKET_COMMIT
      npm run build && npm pack --ignore-scripts --pack-destination "$stage"
    ) >"$stage/log" 2>&1 || fail_with_log 'cannot build isocket'
    tar -xzf "$stage"/isocket-*.tgz -C "$stage"
    cp "$here/package-lock.json" "$here/install.sh" "$stage/package/"
  else
    mkdir "$stage/package"
    cp -R "$here/." "$stage/package/"
  fi
  if [ ! -d "$stage/package/node_modules" ]; then
    need_npm
    say 'fetching what isocket needs'
    (
      cd "$stage/package"
      if [ -f package-lock.json ]; then npm ci --omit=dev --ignore-scripts --no-audit --no-fund; else npm install --omit=dev --ignore-scripts --no-audit --no-fund --no-package-lock; fi
    ) >"$stage/log" 2>&1 || fail_with_log 'cannot fetch what isocket needs'
  fi
}

node_arch() {
  case $(uname -m) in
    x86_64 | amd64) say x64 ;;
    aarch64 | arm64) say arm64 ;;
    *) fail "cannot bring Node $NODE_VERSION for $(uname -m)" "install Node $NODE_MAJOR or newer from the distribution, then run this again" 1 ;;
  esac
}

is_pinned() { # FILE ARCH: it is the Node of this version, to the byte
  case $2 in x64) sum=$NODE_SHA256_x64 ;; *) sum=$NODE_SHA256_arm64 ;; esac
  [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$sum" ]
}

fetch_node() { # → $stage/package/runtime/node
  [ ! -x "$stage/package/runtime/node" ] || return 0
  arch=$(node_arch)
  mkdir "$stage/package/runtime"
  ours=$here/node_modules/node/bin/node # npm brought it into the clone.
  if [ -f "$ours" ] && is_pinned "$ours" "$arch"; then cp "$ours" "$stage/package/runtime/node"; else
    need_npm
    say "fetching Node $NODE_VERSION, some 50 MB"
    mkdir "$stage/node"
    show_progress "$(npm config get cache)/_cacache/tmp" &
    progress=$!
    npm install --prefix "$stage/node" --no-save --ignore-scripts --no-audit --no-fund --no-package-lock "node-linux-$arch@$NODE_VERSION" >"$stage/log" 2>&1 ||
      { kill "$progress" || :; fail_with_log "cannot fetch Node $NODE_VERSION"; }
    kill "$progress" || :
    mv "$stage/node/node_modules/node-linux-$arch/bin/node" "$stage/package/runtime/node"
    is_pinned "$stage/package/runtime/node" "$arch" ||
      fail "cannot use the Node $NODE_VERSION that npm brought: its SHA-256 is not the one in install.sh" "ask where npm's registry has it from, or install Node $NODE_MAJOR from the distribution" 1
  fi
  "$stage/package/runtime/node" --version >/dev/null 2>&1 ||
    fail "cannot run Node $NODE_VERSION on this machine" "install Node $NODE_MAJOR or newer from the distribution, then run this again" 1
}

show_progress() { # FOLDER that npm downloads into: how much of it is there, every five seconds, until it is killed
  while sleep 5 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    kilobytes=$(du -sk "$1" 2>/dev/null | cut -f 1)
    say "  $((${kilobytes:-0} / 1024)) MB are here"
  done
}

fail_with_log() { tail -n 20 "$stage/log" >&2; fail "$1" 'see above; without a network, install a package made by install.sh --pack' 1; }

heap_flags() { # NODE → the flags in the first line of cli.js and a space; nothing where this Node does not know them
  flags=$(sed -n '1s/^#!.* -S node //p' "$lib/dist/cli.js")
  # shellcheck disable=SC2086 # One word each.
  if [ -z "$flags" ] || ! "$1" $flags -e 0 >/dev/null 2>&1; then return 0; fi
  printf '%s ' "$flags"
}

make_stage() { # beside the target, so that moving it into place is one rename
  mkdir -p "$1"
  stage=$(mktemp -d "$1/.isocket-install-XXXXXX")
  trap 'rm -rf "$stage"' EXIT
  trap 'exit 130' INT TERM
}

contains() { # PATH: the package that is given has it
  if [ -n "$from" ]; then tar -tzf "$from" | grep -xF "package/$1" >/dev/null; else [ -e "$here/$1" ]; fi
}

tell_fetching() { # what --dry-run says of the network
  if { [ -z "$from" ] && [ -d "$here/src" ]; } || ! contains node_modules/ssh2/package.json; then
    need_npm
    say 'would fetch what isocket needs, with npm'
  fi
  node=$(command -v node || :)
  if { [ -n "$node" ] && new_enough "$node"; } || contains runtime/node; then return 0; fi
  need_npm
  say "would fetch Node $NODE_VERSION, some 50 MB, with npm"
}

install_program() {
  wanted=$(stamp)
  if [ -f "$lib/stamp" ] && [ "$(cat "$lib/stamp")" = "$wanted" ] && "$program" --version >/dev/null 2>&1; then return 0; fi
  changed=yes
  if [ -n "$dry" ]; then
    say "would install isocket into $lib, and $program"
    tell_fetching
    return 0
  fi
  make_stage "$prefix/lib"
  fetch_package
  node=$(command -v node || :)
  if [ -n "$node" ] && new_enough "$node"; then
    rm -rf "$stage/package/runtime"
  else
    fetch_node
    node=$lib/runtime/node
  fi
  say "$wanted" >"$stage/package/stamp"
  [ ! -f "$lib/files" ] || cp "$lib/files" "$stage/package/files"
  chmod -R u+rwX,go+rX,go-w "$stage/package"
  [ ! -d "$lib" ] || mv "$lib" "$stage/old"
  mv "$stage/package" "$lib"
  put "$program" 755 "#!/bin/sh
exec '$node' $(heap_flags "$node")'$lib/dist/cli.js' \"\$@\""
  "$program" --version >/dev/null || fail "cannot run $program" 'please report this' 1
  for page in $(cd "$lib/dist" && find share -type f | LC_ALL=C sort); do put "$prefix/$page" 644 "$(cat "$lib/dist/$page")"; done
  if [ -d "$stage/old" ]; then systemd try-restart 'isocket@*.service' isocket-receive.service; fi
}

# --- around it --------------------------------------------------------------------------------------------------------------------

put() { # FILE MODE CONTENT; writes and reports only where something changes
  if [ -f "$1" ] && [ "$(cat "$1")" = "$3" ]; then return 0; fi
  changed=yes
  case $1 in "$units"/*) reload=yes ;; esac
  if [ -n "$dry" ]; then say "would write $1"; return 0; fi
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "$3" >"$1.isocket-new"
  chmod "$2" "$1.isocket-new"
  mv -f "$1.isocket-new" "$1"
  remember "$1"
  say "wrote $1"
}

remember() { # FILE: --uninstall removes it
  [ -d "$lib" ] || return 0
  grep -qxF "$1" "$lib/files" 2>/dev/null || say "$1" >>"$lib/files"
}

drop() { # FILE: takes away what is there
  [ -e "$1" ] || [ -h "$1" ] || return 0
  changed=yes
  case $1 in "$units"/*) reload=yes ;; esac
  if [ -n "$dry" ]; then say "would remove $1"; return 0; fi
  rm -rf "$1"
  say "removed $1"
  case $1 in */10-user.conf) rmdir "$(dirname "$1")" 2>/dev/null || :; esac
}

owner_of() { stat -c %U "$1" 2>/dev/null || :; }

make_folder() { # FOLDER MODE OWNER
  if [ ! -d "$1" ]; then
    changed=yes
    run mkdir -p "$1"
    run chmod "$2" "$1"
    [ -z "$dry" ] || [ -n "$destdir" ] || [ "$3" = root ] || say "would run: chown $3: $1"
    [ -n "$dry" ] || give "$1" "$3"
  else give "$1" "$3"; fi
}

give() { # PATH OWNER: with all that is in it, where it belongs to another user: to root, after a first scan by root
  [ "$uid" -eq 0 ] && [ -z "$destdir" ] || return 0
  [ "$(owner_of "$1")" != "$2" ] || return 0
  changed=yes
  run chown -hR "$2:" "$1"
  [ -n "$dry" ] || say "$1 belongs to $2 now"
}

template() { # NAME → the template that is installed, or would be, with our path in it
  if [ -z "$dry" ]; then cat "$lib/templates/$1"
  elif [ -n "$from" ]; then tar -xzOf "$from" "package/templates/$1"
  else cat "$here/templates/$1"; fi |
    sed -e "s|/usr/local/bin/isocket|$program|g" |
    if [ "$uid" -eq 0 ]; then cat; else sed '/^# --- for the system/,/^# --- for both/d'; fi
}

make_user() { # the user of a site
  [ "$uid" -eq 0 ] && [ -z "$destdir" ] || return 0
  if ! id "$user" >/dev/null 2>&1; then
    [ "$user" = isocket ] || fail "there is no user \"$user\"" 'name the user that the parser runs as'
    changed=yes
    if has useradd; then
      run useradd --system --user-group --home-dir "$states" --no-create-home --shell /usr/sbin/nologin isocket
    else
      run adduser -S -D -H -h "$states" -s /sbin/nologin isocket
    fi
  fi
  make_states
}

make_states() { # the states of all sites are in one folder, which belongs to none of their users; it is the home of the user isocket
  if [ -d "$states" ] && [ "$(stat -c %U:%a "$states")" != root:755 ]; then
    changed=yes
    run chown root: "$states"
    run chmod 755 "$states"
  fi
  [ -d "$states" ] || make_folder "$states" 755 root
  [ "$user" != isocket ] || make_folder "$states/.ssh" 700 isocket
}

cron_file() { # SITE: cron reads no name with a dot; "a.b" and "a_b" have a file each
  case $1 in *.*) say "$etc/cron.d/isocket-$(say "$1" | tr . _)-$(say "$1" | cksum | cut -d ' ' -f 1)" ;; *) say "$etc/cron.d/isocket-$1" ;; esac
}

unit_user() { # UNIT → the user that its drop-ins name, or nothing
  cat "$units/$1.d"/*.conf 2>/dev/null | sed -n 's/^User=//p' | tail -n 1
}

set_unit_user() { # UNIT: read after the unit, and before what "systemctl edit" writes
  put "$units/$1.d/10-user.conf" 644 "# Made by install.sh of isocket. Another user: install.sh again, with --user NAME
[Service]
User=$user"
}

user_of() { # SITE → who runs it: --user, else who did until now, else isocket
  if [ "$uid" -ne 0 ]; then id -un; return 0; fi
  if [ -n "$given_user" ]; then say "$given_user"; return 0; fi
  now=$(unit_user "isocket@$1.service")
  [ -n "$now" ] || now=$(sed -n 's/^[^#].* \([^ ]*\) output=.*/\1/p' "$(cron_file "$1")" 2>/dev/null || :)
  say "${now:-isocket}"
}

prepare_site() { # SITE: its user, and the folders that this user owns
  user=$(user_of "$1")
  make_user
  folder=$etc/isocket/$1
  [ -d "$etc/isocket" ] || make_folder "$etc/isocket" 755 "$(id -un)"
  make_folder "$folder" 750 "$user"
  config=$folder/.isocketrc
  live=${config#"$destdir"} # Its path on the installed system.
  # Without root isocket makes its state itself.
  [ "$uid" -ne 0 ] || make_folder "$states/$1" 700 "$user"
  if [ -f "$config" ]; then
    # Written by root, and for root's eyes alone.
    case $(stat -c %A "$config") in -??????r*) ;; *) give "$config" "$user" ;; esac
    root=$(sed -n 's/^  root: *\([^ #]*\).*/\1/p' "$config" | head -n 1 | tr -d "\"'")
    owner=$(owner_of "$root")
    [ -z "$owner" ] || [ "$owner" = "$user" ] ||
      say "note: $root belongs to $owner, isocket runs as $user: only a file's owner may mark it. --user $owner sets that right"
  fi
}

as_user() { if [ "$uid" -eq 0 ]; then say "runuser -u $user -- $*"; else say "$*"; fi; }

print_next() { # the next command to type
  if [ -f "$config" ]; then say "next: $(as_user "$program --config $live check")"; else
    say "next: $(as_user "$program --config $live init"), then … check; $1"; fi
}

# --- systemd ----------------------------------------------------------------------------------------------------------------------

systemd_runs() { [ -z "$destdir" ] && [ -d /run/systemd/system ] && has systemctl; }
ask_systemd() { if [ "$uid" -eq 0 ]; then systemctl "$@"; else systemctl --user "$@"; fi >/dev/null 2>&1; }
systemd() { # runs systemctl, where systemd runs
  systemd_runs || return 0
  if [ "$uid" -eq 0 ]; then run systemctl "$@"; else run systemctl --user "$@"; fi
}

reload_systemd() {
  [ -z "$reload" ] || systemd daemon-reload
}

enable_unit() { # UNIT CONFIG: it starts where there is a configuration
  if ! systemd_runs; then say "note: no systemd runs here; where it does: systemctl enable --now $1"; return 0; fi
  reload_systemd
  if ! ask_systemd is-enabled "$1"; then changed=yes; systemd enable "$1"; fi
  [ -f "$2" ] || return 0
  if ! ask_systemd is-active "$1"; then changed=yes; verb=start; elif [ -n "$reload" ]; then verb=restart; else return 0; fi
  systemd "$verb" "$1" || say "note: $1 did not $verb: systemctl status $1"
}

disable_unit() { # UNIT
  if systemd_runs && { ask_systemd is-enabled "$1" || ask_systemd is-active "$1"; }; then
    changed=yes
    systemd disable --now "$1"
  fi
  for link in "$units"/*.wants/"$1"; do drop "$link"; done
}

# --- a site -----------------------------------------------------------------------------------------------------------------------

remove_daemon() { # SITE
  for unit in "isocket@$1.service" "isocket@$1.timer"; do disable_unit "$unit"; done
  for unit in "isocket@$1.service" "isocket-scan@$1.service"; do drop "$units/$unit.d/10-user.conf"; done
}

remove_cron() { # SITE
  if [ "$uid" -eq 0 ]; then drop "$(cron_file "$1")"; else edit_crontab "$1" ''; fi
}

edit_crontab() { # SITE LINE: the line in place of the site's, if any
  has crontab || return 0
  if ! table=$(crontab -l 2>&1); then
    case $table in *'no crontab'* | *"can't open"*) table='' ;; *) fail 'cannot read your crontab' "$table" 1 ;; esac
  fi
  rest=$(printf '%s\n' "$table" | SITE=" # isocket $1" awk '{ at = length($0) - length(ENVIRON["SITE"]) + 1 } at < 1 || substr($0, at) != ENVIRON["SITE"]')
  new=$(if [ -n "$rest" ]; then say "$rest"; fi; say "$2")
  if [ "$new" = "$table" ] || { [ -n "$2" ] && say "$table" | grep -xF "$2" >/dev/null; }; then return 0; fi
  changed=yes
  if [ -n "$dry" ]; then say "would write into your crontab: ${2:-no line for site $1}"; return 0; fi
  printf '%s\n' "$new" | crontab -
  if [ -n "$2" ]; then say 'added a line to your crontab'; else say 'removed a line from your crontab'; fi
}

install_daemon() {
  prepare_site "$daemon"
  for name in isocket@.service isocket-scan@.service isocket@.timer; do put "$units/$name" 644 "$(template "$name")"; done
  if [ "$uid" -eq 0 ]; then
    for name in "isocket@$daemon.service" "isocket-scan@$daemon.service"; do set_unit_user "$name"; done
  fi
  remove_cron "$daemon"
  enable_unit "isocket@$daemon.service" "$config"
  if [ "$uid" -eq 0 ]; then print_next "systemctl start isocket@$daemon"; else
    say "note: your units end with your last session, unless an administrator says: loginctl enable-linger $user"
    print_next "systemctl --user start isocket@$daemon"
  fi
}

cron_line() { # "USER ", which a line of one's own crontab does not have
  template isocket.cron | sed -n "s|^[*]/5 [*] [*] [*] [*] isocket |$fields $1|p" |
    sed "s|/etc/isocket/ED1/.isocketrc|$live|"
}

install_cron() {
  [ "$uid" -eq 0 ] || has crontab || fail 'cannot add to your crontab: there is no cron here' 'install cron, or use --daemon'
  prepare_site "$cron"
  remove_daemon "$cron"
  reload_systemd
  if [ "$uid" -eq 0 ]; then
    put "$(cron_file "$cron")" 644 "# Made by install.sh of isocket.
PATH=/usr/local/bin:/usr/bin:/bin
$(cron_line "$user ")"
  else edit_crontab "$cron" "$(cron_line '') # isocket $cron"; fi
  # The PATH of an ordinary user may lack /usr/sbin.
  has cron || has crond || [ -x /usr/sbin/cron ] || [ -x /usr/sbin/crond ] || say 'note: there is no cron on this machine: install it, or use --daemon'
  print_next 'cron does the rest'
}

install_receiver() {
  [ "$uid" -eq 0 ] || fail 'cannot set up the receiver without root' "without root: $program receive --root DIR --listen 0.0.0.0:2222 --authorized-keys FILE"
  user=${given_user:-$(unit_user isocket-receive.service)}
  user=${user:-isocket}
  make_user
  put "$units/isocket-receive.service" 644 "$(template isocket-receive.service)"
  set_unit_user isocket-receive.service
  keys=$etc/isocket/receive/authorized_keys
  if [ ! -f "$keys" ]; then
    changed=yes
    run mkdir -p "$etc/isocket/receive"
    if [ -n "$dry" ]; then say "would write $keys"; else : >"$keys"; chmod 644 "$keys"; fi
  fi
  if [ -s "$keys" ]; then enable_unit isocket-receive.service "$keys"; else
    enable_unit isocket-receive.service /nonexistent
    say "next: put the sources' public keys into $keys, then: systemctl start isocket-receive"
  fi
}

purge_site() { # SITE: configuration and state
  other=$(sed -n 's/^state: *\([^ #]*\).*/\1/p' "$etc/isocket/$1/.isocketrc" 2>/dev/null | tr -d "\"'" | grep -v '^null$' || :)
  drop "$etc/isocket/$1"
  drop "$states/$1"
  [ -z "$other" ] || [ ! -d "$other" ] || [ "$other" = "${states#"$destdir"}/$1" ] || say "note: its state $other is left: the configuration named it"
}

remove_site() { # SITE
  remove_daemon "$1"
  remove_cron "$1"
  reload_systemd
  [ -z "$purge" ] || purge_site "$1"
  if [ -z "$changed" ]; then say "nothing to do: site $1 is not installed"; return 0; fi
  if [ -n "$purge" ]; then kept=''; else kept="; configuration ($etc/isocket/$1) and state ($states/$1) are left as they are"; fi
  [ -n "$dry" ] || say "site $1 is removed$kept"
}

sites() { # every site that something here runs, or is configured for
  for path in "$units"/isocket@*.service.d "$units"/*.wants/isocket@*.service "$units"/*.wants/isocket@*.timer "$etc"/isocket/*/.isocketrc; do
    [ -e "$path" ] || [ -h "$path" ] || continue
    case $path in
      */.isocketrc) path=${path%/.isocketrc}; say "${path##*/}" ;;
      *) path=${path##*/isocket@}; path=${path%.d}; path=${path%.service}; say "${path%.timer}" ;;
    esac
  done | sort -u
}

remove_all() {
  for site in $(sites); do
    remove_daemon "$site"
    remove_cron "$site"
    [ -z "$purge" ] || purge_site "$site"
  done
  disable_unit isocket-receive.service
  if [ -f "$lib/files" ]; then
    while read -r file; do
      [ "$file" = "$program" ] || drop "$file"
      case $file in "$prefix"/share/*) [ -n "$dry" ] || rmdir -p "${file%/*}" 2>/dev/null || :; esac
    done <"$lib/files"
  fi
  if [ "$uid" -ne 0 ] && has crontab; then
    for site in $(crontab -l 2>/dev/null | sed -n 's/.* # isocket \([^ ]*\)$/\1/p'); do remove_cron "$site"; done
  fi
  drop "$program"
  drop "$lib"
  reload_systemd
  if [ -n "$purge" ]; then
    drop "$etc/isocket"
    drop "$states"
  fi
  for folder in "$prefix/bin" "$prefix/lib" "$prefix"; do [ -n "$dry" ] || rmdir "$folder" 2>/dev/null || :; done
  [ -n "$dry" ] || say "isocket is removed from $prefix; $(if [ -n "$purge" ]; then
    say 'what a receiver received is left, and the user isocket: userdel isocket'
  else say "configuration ($etc/isocket) and state are left as they are"; fi)"
}

if [ -n "$uninstall" ]; then
  if [ -n "$gone" ]; then remove_site "$gone"; else remove_all; fi
  exit 0
fi
if [ -n "$pack" ]; then
  case $pack in /*) ;; *) pack=$PWD/$pack ;; esac
  if [ -n "$dry" ]; then say "would pack isocket with all it needs into $pack"; exit 0; fi
  make_stage "$(dirname "$pack")"
  fetch_package
  fetch_node
  tar -czf "$stage/packed.tgz" -C "$stage" package
  mv "$stage/packed.tgz" "$pack"
  say "packed $pack: install it with install.sh --from $pack"
  exit 0
fi
missing=''
for name in $packages; do has "$(command_of "$name")" || missing="$missing $name"; done
if [ -n "$missing" ]; then
  changed=yes
  # shellcheck disable=SC2086 # Names without blanks.
  add_packages $missing
fi
install_program
[ -z "$daemon" ] || install_daemon
[ -z "$cron" ] || install_cron
[ -z "$receiver" ] || install_receiver
if [ -n "$changed" ]; then [ -n "$dry" ] || say "isocket $("$program" --version) is in $prefix"; else say "nothing to do: isocket $("$program" --version) is in $prefix"; fi
case ":$PATH:" in *":$prefix/bin:"*) ;; *) say "note: $prefix/bin is not in PATH" ;; esac
