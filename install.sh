#!/bin/sh
# Installs isocket, with its own Node where the machine has none that is new enough. Asks nothing; a second run changes nothing.
# Everything outside PREFIX is written below $DESTDIR (empty: this system), and listed for --uninstall.
set -eu

NODE_MAJOR=24
usage() {
  cat <<'TEXT'
usage: install.sh [--prefix DIR] [--from FILE.tgz] [--daemon [SITE] | --cron [SITE] [--every 5m]] [--receiver]
                  [--user NAME] [--with-rsync] [--with-inotify] [--dry-run]
       install.sh --pack FILE.tgz
       install.sh [--prefix DIR] --uninstall

  --prefix DIR      where to (default: /usr/local for root, else ~/.local); isocket is DIR/bin/isocket
  --from FILE.tgz   install this package instead of the clone that install.sh lies in
  --pack FILE.tgz   make a package with everything, Node included: it installs without npm and without a network
  --daemon [SITE]   a systemd service for the site (default: the host's name): isocket@SITE
  --cron [SITE]     a cron entry for the site instead; --every 5m (1m … 59m, 1h … 23h) says how often
  --receiver        a systemd service that receives: isocket-receive
  --user NAME       who runs it (default: isocket, created where it is missing; without root: you). Only the owner of a file may
                    mark it: name the parser's user here, or run the parser as isocket
  --with-rsync, --with-inotify   add the system's packages rsync, inotify-tools
  --dry-run         print what would be done, and do nothing
  --uninstall       remove all of it but configuration and state
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
prefix='' from='' pack='' daemon='' cron='' every=5m receiver='' user='' packages='' dry='' uninstall='' changed=''
destdir=${DESTDIR-}

need_value() { if [ -z "${2-}" ]; then fail "$1 needs a value" 'install.sh --help shows how'; fi; }
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) need_value "$@"; prefix=$2; shift ;;
    --from) need_value "$@"; from=$2; shift ;;
    --pack) need_value "$@"; pack=$2; shift ;;
    --every) need_value "$@"; every=$2; shift ;;
    --user) need_value "$@"; user=$2; shift ;;
    --daemon | --cron)
      site=$(uname -n)
      option=$1
      case ${2--} in -*) ;; *) site=$2; shift ;; esac
      case $option in --daemon) daemon=$site ;; *) cron=$site ;; esac ;;
    --receiver) receiver=yes ;;
    --with-rsync) packages="$packages rsync" ;;
    --with-inotify) packages="$packages inotify-tools" ;;
    --dry-run) dry=yes ;;
    --uninstall) uninstall=yes ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown option \"$1\"" 'install.sh --help lists them' ;;
  esac
  shift
done
for site in "$daemon" "$cron"; do
  case $site in
    '') ;;
    .* | -* | *[!A-Za-z0-9_.-]*) fail "cannot use the site's name \"$site\"" 'letters, digits, "_", "-" and ".", not "." or "-" first' ;;
  esac
done
if [ "$uid" -eq 0 ]; then
  prefix=${prefix:-/usr/local} user=${user:-isocket}
  etc=$destdir/etc units=$destdir/etc/systemd/system
else
  prefix=${prefix:-$HOME/.local} user=${user:-$(id -un)}
  etc=$destdir$HOME/.config units=$destdir$HOME/.config/systemd/user
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
    for name in src templates build.ts package.json package-lock.json tsconfig.json tsconfig.build.json docs README.md ARCHITECTURE.md CHANGELOG.md LICENSE install.sh; do
      [ ! -e "$here/$name" ] || cp -R "$here/$name" "$stage/clone/"
    done
    (
      cd "$stage/clone"
      if [ -x "$here/node_modules/.bin/rolldown" ]; then ln -s "$here/node_modules" node_modules; else npm ci --ignore-scripts --no-audit --no-fund; fi
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
    (
      cd "$stage/package"
      if [ -f package-lock.json ]; then npm ci --omit=dev --ignore-scripts --no-audit --no-fund; else npm install --omit=dev --ignore-scripts --no-audit --no-fund --no-package-lock; fi
    ) >"$stage/log" 2>&1 || fail_with_log 'cannot fetch what isocket needs'
  fi
}

fetch_node() { # → $stage/package/runtime/node
  [ ! -x "$stage/package/runtime/node" ] || return 0
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) arch=$(uname -m) ;;
  esac
  need_npm
  mkdir "$stage/node"
  (cd "$stage/node" && npm pack "node-linux-$arch@$NODE_MAJOR" && tar -xzf node-linux-*.tgz) >"$stage/log" 2>&1 ||
    fail_with_log "cannot fetch Node $NODE_MAJOR"
  mkdir "$stage/package/runtime"
  mv "$stage/node/package/bin/node" "$stage/package/runtime/node"
  "$stage/package/runtime/node" --version >/dev/null 2>&1 ||
    fail "the Node $NODE_MAJOR of the npm registry does not run on this machine" "install Node $NODE_MAJOR or newer from the distribution, then run this again" 1
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

install_program() {
  wanted=$(stamp)
  if [ -f "$lib/stamp" ] && [ "$(cat "$lib/stamp")" = "$wanted" ] && "$program" --version >/dev/null 2>&1; then return 0; fi
  changed=yes
  if [ -n "$dry" ]; then say "would install isocket into $lib, and $program"; return 0; fi
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
  if [ -d "$stage/old" ]; then systemd try-restart 'isocket@*.service' isocket-receive.service; fi
}

# --- around it --------------------------------------------------------------------------------------------------------------------

put() { # FILE MODE CONTENT; writes and reports only where something changes
  if [ -f "$1" ] && [ "$(cat "$1")" = "$3" ]; then return 0; fi
  changed=yes
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

template() { # NAME → the template, with our path and user in it
  source=$lib/templates/$1
  [ -f "$source" ] || source=$here/templates/$1
  [ -f "$source" ] || { [ -n "$dry" ] && return 0; } # The template is still in the package.
  sed -e "s|/usr/local/bin/isocket|$program|g" -e "s|^User=isocket\$|User=$user|" "$source" |
    if [ "$uid" -eq 0 ]; then cat; else sed '/^# --- for the system/,/^# --- for both/d'; fi
}

make_user() {
  [ "$uid" -eq 0 ] && [ -z "$destdir" ] || return 0
  ! id "$user" >/dev/null 2>&1 || return 0
  [ "$user" = isocket ] || fail "there is no user \"$user\"" 'name the user that the parser runs as'
  changed=yes
  if has useradd; then
    run useradd --system --user-group --home-dir /var/lib/isocket --create-home --shell /usr/sbin/nologin isocket
  else
    run adduser -S -D -h /var/lib/isocket -s /sbin/nologin isocket
  fi
}

site_folder() { # SITE: the folder of its configuration, owned by the user
  folder=$etc/isocket/$1
  if [ ! -d "$folder" ]; then
    changed=yes
    run mkdir -p "$folder"
    run chmod 750 "$folder"
    if [ "$uid" -eq 0 ] && [ -z "$destdir" ]; then run chown "$user" "$folder"; fi
  fi
  config=$folder/.isocketrc
  live=${config#"$destdir"} # Its path on the installed system.
  if [ -f "$config" ]; then
    root=$(sed -n 's/^  root: *\([^ #]*\).*/\1/p' "$config" | head -n 1 | tr -d "\"'")
    owner=$(stat -c %U "$root" 2>/dev/null || :)
    [ -z "$owner" ] || [ "$owner" = "$user" ] ||
      say "note: $root belongs to $owner, isocket runs as $user: only a file's owner may mark it. --user $owner sets that right"
  fi
}

as_user() { if [ "$uid" -eq 0 ]; then say "runuser -u $user -- $*"; else say "$*"; fi; }

print_next() { # the next command to type
  if [ -f "$config" ]; then say "next: $(as_user "$program --config $live check")"; else
    say "next: $(as_user "$program --config $live init"), then … check; $1"; fi
}

systemd() { # runs systemctl, where systemd runs
  if [ -n "$destdir" ] || [ ! -d /run/systemd/system ]; then return 0; fi
  if [ "$uid" -eq 0 ]; then run systemctl "$@"; else run systemctl --user "$@"; fi
}

enable_unit() { # UNIT CONFIG
  before=$changed
  systemd daemon-reload
  if [ -f "$2" ]; then systemd enable --now "$1"; else systemd enable "$1"; fi
  changed=$before
  if [ ! -d /run/systemd/system ]; then say "note: no systemd runs here; where it does: systemctl enable --now $1"; fi
}

install_daemon() {
  make_user
  site_folder "$daemon"
  for name in isocket@.service isocket-scan@.service isocket@.timer; do put "$units/$name" 644 "$(template "$name")"; done
  if [ "$uid" -eq 0 ]; then
    enable_unit "isocket@$daemon.service" "$config"
    print_next "systemctl start isocket@$daemon"
  else
    enable_unit "isocket@$daemon.service" "$config"
    say "note: your units end with your last session, unless an administrator says: loginctl enable-linger $user"
    print_next "systemctl --user start isocket@$daemon"
  fi
}

cron_line() { # "USER ", which a line of one's own crontab does not have
  template isocket.cron | sed -n "s|^[*]/5 [*] [*] [*] [*] isocket |$fields $1|p" |
    sed "s|/etc/isocket/ED1/.isocketrc|$live|"
}

install_cron() {
  make_user
  site_folder "$cron"
  if [ "$uid" -eq 0 ]; then
    file=$etc/cron.d/isocket-$(say "$cron" | tr . _)
    put "$file" 644 "# Made by install.sh of isocket.
PATH=/usr/local/bin:/usr/bin:/bin
$(cron_line "$user ")"
  else
    has crontab || fail 'cannot add to your crontab: there is no cron here' 'install cron, or use --daemon'
    line="$(cron_line '') # isocket $cron"
    if ! crontab -l 2>/dev/null | grep -qxF "$line"; then
      changed=yes
      if [ -n "$dry" ]; then say "would add to the crontab: $line"; else
        { crontab -l 2>/dev/null | grep -v " # isocket $cron\$" || :; say "$line"; } | crontab -
        say 'added a line to your crontab'
      fi
    fi
  fi
  # The PATH of an ordinary user may lack /usr/sbin.
  has cron || has crond || [ -x /usr/sbin/cron ] || [ -x /usr/sbin/crond ] || say 'note: there is no cron on this machine: install it, or use --daemon'
  print_next 'cron does the rest'
}

install_receiver() {
  [ "$uid" -eq 0 ] || fail 'cannot set up the receiver without root' "without root: $program receive --root DIR --listen 0.0.0.0:2222 --authorized-keys FILE"
  make_user
  put "$units/isocket-receive.service" 644 "$(template isocket-receive.service)"
  keys=$etc/isocket/receive/authorized_keys
  if [ ! -f "$keys" ]; then
    changed=yes
    run mkdir -p "$etc/isocket/receive"
    [ -n "$dry" ] || : >"$keys"
    run chmod 644 "$keys"
  fi
  if [ -s "$keys" ]; then enable_unit isocket-receive.service "$keys"; else
    enable_unit isocket-receive.service /nonexistent
    say "next: put the sources' public keys into $keys, then: systemctl start isocket-receive"
  fi
}

remove_all() {
  for unit in "$units"/*.wants/isocket@*.service "$units"/*.wants/isocket@*.timer "$units"/*.wants/isocket-receive.service; do
    [ -e "$unit" ] || [ -h "$unit" ] || continue
    systemd disable --now "$(basename "$unit")"
  done
  if [ -f "$lib/files" ]; then
    while read -r file; do run rm -f "$file"; done <"$lib/files"
  fi
  if [ "$uid" -ne 0 ] && has crontab && crontab -l 2>/dev/null | grep -q ' # isocket [^ ]*$'; then
    if [ -n "$dry" ]; then say 'would remove our lines from the crontab'; else
      { crontab -l | grep -v ' # isocket [^ ]*$' || :; } | crontab -
    fi
  fi
  run rm -f "$program"
  run rm -rf "$lib"
  systemd daemon-reload
  for folder in "$prefix/bin" "$prefix/lib" "$prefix"; do [ -n "$dry" ] || rmdir "$folder" 2>/dev/null || :; done
  say "isocket is removed from $prefix; configuration ($etc/isocket) and state are left as they are"
}

if [ -n "$uninstall" ]; then
  remove_all
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
