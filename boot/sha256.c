/* SPDX-License-Identifier: BSD-2-Clause */
/* FIPS 180-4, "SHA-256"; the names a to h, k and w are those of the standard. */
#include "boot/sha256.h"

#define BLOCK_BYTES 64u
#define LENGTH_BYTES 8u /* at the end of the last block */

static const uint32_t k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotated(uint32_t x, unsigned int by)
{
	return x >> by | x << (32 - by);
}

static uint32_t sigma(uint32_t x, unsigned int r1, unsigned int r2, unsigned int shift)
{
	return rotated(x, r1) ^ rotated(x, r2) ^ x >> shift;
}

static uint32_t sum(uint32_t x, unsigned int r1, unsigned int r2, unsigned int r3)
{
	return rotated(x, r1) ^ rotated(x, r2) ^ rotated(x, r3);
}

static void add_block(uint32_t hash[8], const uint8_t *block)
{
	uint32_t w[64], s[8], t1, t2;

	for (unsigned int i = 0; i < 16; i++, block += 4)
		w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 |
		       (uint32_t)block[2] << 8 | block[3];
	for (unsigned int i = 16; i < 64; i++)
		w[i] = sigma(w[i - 2], 17, 19, 10) + w[i - 7] + sigma(w[i - 15], 7, 18, 3) +
		       w[i - 16];
	for (unsigned int i = 0; i < 8; i++)
		s[i] = hash[i];
	for (unsigned int i = 0; i < 64; i++) {
		t1 = s[7] + sum(s[4], 6, 11, 25) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
		t2 = sum(s[0], 2, 13, 22) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
		for (unsigned int n = 7; n; n--)
			s[n] = s[n - 1];
		s[4] += t1;
		s[0] = t1 + t2;
	}
	for (unsigned int i = 0; i < 8; i++)
		hash[i] += s[i];
}

void sha256(const void *message, size_t size_bytes, uint8_t digest[SHA256_BYTES])
{
	uint32_t hash[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	uint8_t last[2 * BLOCK_BYTES] = { 0 };
	size_t rest = size_bytes % BLOCK_BYTES;
	size_t end = rest + 1 + LENGTH_BYTES > BLOCK_BYTES ? 2 * BLOCK_BYTES : BLOCK_BYTES;
	const uint8_t *at = message;

	for (size_t n = size_bytes / BLOCK_BYTES; n; n--, at += BLOCK_BYTES)
		add_block(hash, at);
	for (size_t i = 0; i < rest; i++)
		last[i] = at[i];
	last[rest] = 0x80;
	for (unsigned int i = 0; i < LENGTH_BYTES; i++)
		last[end - 1 - i] = (uint8_t)((uint64_t)size_bytes * 8 >> (8 * i));
	for (at = last; at < last + end; at += BLOCK_BYTES)
		add_block(hash, at);
	for (unsigned int i = 0; i < SHA256_BYTES; i++)
		digest[i] = (uint8_t)(hash[i / 4] >> (24 - 8 * (i % 4)));
}
