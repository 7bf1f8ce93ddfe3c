#!/usr/bin/env bash
# Lint the dashboard's JavaScript and CSS with biome, pinned: its program comes from the npm registry into build/, once.
# --fetch only fetches. Exit code 3 where there is none for this machine, or it cannot be fetched.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.6.8
case "$(uname -s)-$(uname -m)" in
Linux-x86_64) platform=linux-x64 sum=e9fc491ffec6ba4024549b7c797937cd4f01855b4fe66a78220efe83b95be7f1 ;;
*) echo "biome.sh: no biome is pinned for $(uname -s) on $(uname -m)." >&2 && exit 3 ;;
esac

folder=build/biome/$version
if [ ! -x "$folder/biome" ]; then
    command -v npm >/dev/null || { echo "biome.sh: npm is needed to fetch biome." >&2 && exit 3; }
    mkdir -p build/biome
    fetching=$(mktemp -d build/biome/.fetching.XXXXXX)
    trap 'rm -rf "$fetching"' EXIT
    timeout 120 npm pack --silent --pack-destination "$fetching" "@biomejs/cli-$platform@$version" >/dev/null ||
        { echo "biome.sh: npm could not fetch biome $version." >&2 && exit 3; }
    echo "$sum  $(echo "$fetching"/*.tgz)" | sha256sum --check --quiet
    tar -xzf "$fetching"/*.tgz -C "$fetching" package/biome
    mv -T "$fetching/package" "$folder" 2>/dev/null || [ -x "$folder/biome" ] # another one may have been faster
    rm -rf "$fetching"
fi
[ "${1:-}" = --fetch ] || exec "$folder/biome" lint --config-path=scripts/biome.jsonc --error-on-warnings src/perfkit/dashboard/static
