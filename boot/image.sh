#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# image.sh OUT PATH-IN-IMAGE=FILE ... -- make a disk image with one EFI system partition (GPT,
# FAT32) that holds the files. Needs no root; the same files give the same bytes.
set -eu

[ $# -ge 2 ] || { echo "usage: $0 OUT PATH=FILE ..." >&2; exit 2; }
out=$1
shift

# Fixed, so that building twice gives the same image.
disk_guid=6c616d69-6e61-4d69-8000-646973633031
part_guid=6c616d69-6e61-4d69-8000-706172743031
epoch=${SOURCE_DATE_EPOCH:-1700000000}
first_mib=1 # where the partition starts
tail_mib=1 # for the second partition table

stage=$(mktemp -d)
trap 'rm -rf "$stage" "$out.tmp"' EXIT

"$(dirname "$0")/tree.sh" "$stage/files" "$@"
files=$stage/files
bytes=$(($(find "$files" -type f -printf '%s + ')0))
find "$files" -exec touch -d "@$epoch" {} +

# FAT32 needs 65525 clusters: 64 MiB with the smallest ones. Firmware reads FAT16 as well, but is
# not bound to on every medium: IMAGE_MIN_MIB=4 is for a network.
least_mib=${IMAGE_MIN_MIB:-62}
part_mib=$((bytes / 1048576 + 8))
[ $part_mib -ge "$least_mib" ] || part_mib=$least_mib
[ $part_mib -ge 62 ] && fat32=-F || fat32=
truncate -s 0 "$out.tmp"
truncate -s $((first_mib + part_mib + tail_mib))M "$out.tmp"
sectors=$((part_mib * 2048))
sgdisk -a 2048 -n 1:2048:$((2048 + sectors - 1)) -t 1:ef00 -c 1:LAMINA -U $disk_guid \
	-u 1:$part_guid "$out.tmp" >/dev/null

export MTOOLS_SKIP_CHECK=1 TZ=UTC SOURCE_DATE_EPOCH=$epoch
fs="$out.tmp@@${first_mib}M"
# shellcheck disable=SC2086
mformat -i "$fs" -T $sectors $fat32 -h 64 -s 32 -c 1 -H 2048 -N 4c414d49 -v LAMINA ::
(cd "$files" && find . -mindepth 1 -type d | LC_ALL=C sort) | while read -r dir; do
	mmd -i "$fs" "::${dir#.}"
done
(cd "$files" && find . -type f | LC_ALL=C sort) | while read -r file; do
	mcopy -m -i "$fs" "$files/$file" "::${file#.}"
done
mv "$out.tmp" "$out"
