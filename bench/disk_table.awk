# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# disk_table.awk: the tables of disk.sh. Input, in this order: disks, jobs, memory, results; see
# there. At the end stand the project's marks.
FNR == 1 { part++ }
part == 1 { disk[++disks] = $1; next }
part == 2 { job[++jobs] = $1 " " $2 " " $3 " " $4; next }
part == 3 { memory[$1, $2] = $3; next }
{
	key = $1 SUBSEP $2 " " $3 " " $4 " " $5
	if (key in iops && iops[key] >= $6) next
	iops[key] = $6
	mean[key] = $7
	p99[key] = $8
}

function ratio(of, one, other, what) {
	if (!((one, what) in of) || !((other, what) in of) || of[other, what] <= 0) return "-"
	return sprintf("%.2f", of[one, what] / of[other, what])
}

function title(j,    p) {
	split(j, p, " ")
	return sprintf("%s %s, depth %d, %d connection%s", p[1], p[2], p[3], p[4], p[4] > 1 ? "s" : "")
}

# sense is <= or >=.
function mark(text, value, sense, bound,    met) {
	if (value == "-") return
	met = sense == "<=" ? value + 0 <= bound : value + 0 >= bound
	printf "%-60s %7s  %s %-5s %s\n", text, value, sense, bound, met ? "" : "missed"
}

function marks(n) {
	mark(n ": IOPS / memory-zstd, randwrite, depth 1", ratio(iops, n, "memory-zstd", "randwrite 4k 1 1"), ">=", 1.7)
	mark(n ": IOPS / memory-zstd, randwrite, depth 16, 2 conn.", ratio(iops, n, "memory-zstd", "randwrite 4k 16 2"), ">=", 3)
	mark(n ": latency / sparse, randwrite, depth 1", ratio(mean, n, "sparse", "randwrite 4k 1 1"), "<=", 1.3)
	mark(n ": latency / sparse, randread, depth 1", ratio(mean, n, "sparse", "randread 4k 1 1"), "<=", 1.3)
	mark(n ": memory / sparse, filled", ratio(memory, n, "sparse", "filled"), "<=", 1)
	mark(n ": memory / memory-zstd, filled", ratio(memory, n, "memory-zstd", "filled"), "<=", 1)
	mark(n ": memory / memory-zstd, overwritten", ratio(memory, n, "memory-zstd", "overwritten"), "<=", 1)
}

END {
	printf "a tar of /usr/bin, %d MiB; %d rounds of 1 s, the best of each; %d processors, %s\n", \
		bytes / 1048576, rounds, cpus, kernel
	print "latency from request to answer, us; memory: growth of the server's RSS, or what zram says\n"
	printf "%-38s %-13s %9s %9s %9s %14s\n", "job", "disk", "IOPS", "mean", "p99", disk[1] " / it"
	for (j = 1; j <= jobs; j++)
		for (d = 1; d <= disks; d++) {
			key = disk[d] SUBSEP job[j]
			printf "%-38s %-13s %9d %9.1f %9.0f %14s\n", d == 1 ? title(job[j]) : "", disk[d], \
				iops[key], mean[key], p99[key], ratio(iops, disk[1], disk[d], job[j])
		}
	printf "\n%-14s %13s %8s %13s %8s\n", "memory", "filled, bytes", "of data", "overwritten", "of data"
	for (d = 1; d <= disks; d++)
		printf "%-14s %13d %7.1f%% %13d %7.1f%%\n", disk[d], memory[disk[d], "filled"], \
			100 * memory[disk[d], "filled"] / bytes, memory[disk[d], "overwritten"], \
			100 * memory[disk[d], "overwritten"] / bytes
	print ""
	for (d = 1; d <= disks; d++)
		if (disk[d] ~ /^ramz-/) marks(disk[d])
}
