#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# unify.sh OUT LOADER OPTIONS embed|list PATH=FILE ... -- the loader with the files themselves (PE
# section .modules, a cpio archive) or with the list of their SHA-256 hashes (section .hashes).
# OPTIONS is the loader's command line. The same files give the same bytes.
set -eu

[ $# -ge 5 ] || { echo "usage: $0 OUT LOADER OPTIONS embed|list PATH=FILE ..." >&2; exit 2; }
out=$1 loader=$2 options=$3 kind=$4
shift 4
epoch=${SOURCE_DATE_EPOCH:-1700000000}
stage=$(mktemp -d)
trap 'rm -rf "$stage" "$out.tmp"' EXIT

"$(dirname "$0")/tree.sh" "$stage/files" "$@"
mkdir "$stage/own"
[ -z "$options" ] || echo "$options" >"$stage/own/options"

# archive FOLDER: a cpio archive of it, names in order.
archive() {
	(cd "$1" && find . -type f -exec touch -d "@$epoch" {} + &&
		find . -type f -printf '%P\n' | LC_ALL=C sort |
		cpio --quiet -o -H newc --owner=0:0 --reproducible)
}

case $kind in
embed)
	cp -r "$stage/files/." "$stage/own"
	;;
list)
	(cd "$stage/files" && find . -type f -printf '%P\0' | LC_ALL=C sort -z |
		xargs -0 sha256sum) >"$stage/.hashes"
	;;
*)
	echo "$0: '$kind' is neither embed nor list" >&2
	exit 2
	;;
esac
[ -z "$(ls -A "$stage/own")" ] || archive "$stage/own" >"$stage/.modules"

# Sections go behind those that are there, each on a page of its own.
sections=()
at=$(objdump -h "$loader" | awk '$1 ~ /^[0-9]+$/ { print "0x" $3, "0x" $4 }' |
	while read -r size vma; do echo $((size + vma)); done | sort -n | tail -n 1)
for name in .modules .hashes; do
	[ -f "$stage/$name" ] || continue
	at=$(((at + 4095) / 4096 * 4096))
	sections+=(--add-section "$name=$stage/$name" --set-section-flags "$name=data,readonly"
		--change-section-vma "$name=$(printf '0x%x' $at)")
	at=$((at + $(stat -c %s "$stage/$name")))
done
objcopy --preserve-dates --strip-all "${sections[@]}" "$loader" "$out.tmp"
mv "$out.tmp" "$out"
