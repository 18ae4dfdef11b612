# shellcheck shell=bash
# The other scripts source this file after changing to the repository's root. It needs only Python 3.11 with pip.

# Prints the Python for the environment: that of .venv if it exists, else the first Python 3.11 that is found.
find_python() {
  local candidate
  for candidate in .venv/bin/python "${PYTHON:-}" python3.11 python3 python; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  echo "Errata needs Python 3.11, and none was found (looked for python3.11, python3, python and \$PYTHON)." >&2
  echo "Install it (Debian, Ubuntu: apt-get install python3.11 python3.11-venv), or set its path: PYTHON=/path/to/python3.11 $0" >&2
  return 1
}

# Makes .venv ready; ends at once if it is ready already.
set_up() {
  local python
  python="$(find_python)"
  "$python" scripts/setup.py
}

# The scripts work in the repository's root, but paths in settings are relative to the person's folder ($1).
absolute_settings() {
  local name value
  for name in ERRATA_DATA ERRATA_MODELS ERRATA_MODELS_MIRROR; do
    value="${!name:-}"
    case "$value" in
      "" | /* | "~"*) ;;
      *) export "$name=$1/$value" ;;
    esac
  done
}
