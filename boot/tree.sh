#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# tree.sh OUT PATH=FILE ... -- lay the files out below OUT as they are named, for a TFTP server.
set -eu

[ $# -ge 2 ] || { echo "usage: $0 OUT PATH=FILE ..." >&2; exit 2; }
out=$1
shift
rm -rf "$out.tmp"
for pair in "$@"; do
	path=${pair%%=*} file=${pair#*=}
	[ -f "$file" ] || { echo "$0: no file '$file' for '$path'" >&2; exit 1; }
	install -D -m 644 "$file" "$out.tmp/$path"
done
rm -rf "$out"
mv "$out.tmp" "$out"
