# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# disk_table.awk: the tables of disk.sh, and its JSON. Input, in this order: subjects, jobs,
# held bytes, results; see there.
FNR == 1 { part++ }
part == 1 { subject[++subjects] = $1; next }
part == 2 { job[++jobs] = $1 " " $2 " " $3 " " $4; next }
part == 3 { held[$1, $2] = $3; grown[$1, $2] = $4; next }
{
	key = $1 SUBSEP $2 " " $3 " " $4 " " $5
	if (key in iops && iops[key] >= $6) next
	iops[key] = $6
	mean[key] = $7
	p99[key] = $8
}

function ratio(what, one, other, j,    a, b) {
	a = one SUBSEP j
	b = other SUBSEP j
	if (!(a in iops) || !(b in iops)) return "-"
	if (what == "iops") return iops[b] > 0 ? sprintf("%.2f", iops[a] / iops[b]) : "-"
	return mean[b] > 0 ? sprintf("%.2f", mean[a] / mean[b]) : "-"
}

function title(j,    p) {
	split(j, p, " ")
	return sprintf("%s %s, depth %d, %d connection%s", p[1], p[2], p[3], p[4], p[4] > 1 ? "s" : "")
}

# A target: "most" means that the value may be no more than it.
function target(text, value, sense, bound,    met) {
	if (value == "-") met = "-"
	else if (sense == "most") met = value + 0 <= bound ? "yes" : "no"
	else met = value + 0 >= bound ? "yes" : "no"
	printf "%-60s %s %-5s %7s  %s\n", text, (sense == "most" ? "<=" : ">="), bound, value, met
	targets = targets sprintf("%s\n  {\"text\": \"%s\", \"at_%s\": %s, \"value\": %s, \"met\": %s}",
		targets == "" ? "" : ",", text, sense, bound, value == "-" ? "null" : value,
		met == "-" ? "null" : met == "yes" ? "true" : "false")
}

function held_by(when, one, other) {
	if (!((one, when) in held) || !((other, when) in held)) return "-"
	return sprintf("%.3f", held[one, when] / held[other, when])
}

function speed_targets(n) {
	target(n ": IOPS / memory-zstd, randwrite, depth 1",
		ratio("iops", n, "memory-zstd", "randwrite 4k 1 1"), "least", 1.7)
	target(n ": IOPS / memory-zstd, randwrite, depth 16, 2 conn.",
		ratio("iops", n, "memory-zstd", "randwrite 4k 16 2"), "least", 3)
	target(n ": latency / sparse, randwrite, depth 1",
		ratio("mean", n, "sparse", "randwrite 4k 1 1"), "most", 1.3)
	target(n ": latency / sparse, randread, depth 1",
		ratio("mean", n, "sparse", "randread 4k 1 1"), "most", 1.3)
}

function memory_targets(n) {
	target(n ": memory / sparse, filled", held_by("filled", n, "sparse"), "most", 1)
	target(n ": memory / memory-zstd, filled", held_by("filled", n, "memory-zstd"), "most", 1)
	target(n ": memory / memory-zstd, overwritten", held_by("overwritten", n, "memory-zstd"), "most", 1)
}

END {
	ours = "ramz-" codec
	printf "%s, %d MiB; %d rounds of %d s, the best of each; %d processors, %s\n", \
		what, bytes / 1048576, rounds, seconds, cpus, kernel
	print "latency from request to answer, us; memory: what the store or zram says it holds, otherwise RSS\n"
	printf "%-38s %-13s %9s %9s %9s %12s\n", "job", "disk", "IOPS", "mean", "p99", ours " / it"
	for (j = 1; j <= jobs; j++)
		for (s = 1; s <= subjects; s++) {
			key = subject[s] SUBSEP job[j]
			if (!(key in iops)) continue
			printf "%-38s %-13s %9d %9.1f %9.0f %12s\n", shown == j ? "" : title(job[j]), subject[s], \
				iops[key], mean[key], p99[key], ratio("iops", ours, subject[s], job[j])
			shown = j
		}

	printf "\n%-14s %13s %8s %13s %13s %8s %13s\n", "memory held", "filled, bytes", "of data", "RSS", \
		"overwritten", "of data", "RSS"
	for (s = 1; s <= subjects; s++)
		printf "%-14s %13d %7.1f%% %13d %13d %7.1f%% %13d\n", subject[s], held[subject[s], "filled"], \
			100 * held[subject[s], "filled"] / bytes, grown[subject[s], "filled"], \
			held[subject[s], "overwritten"], 100 * held[subject[s], "overwritten"] / bytes, \
			grown[subject[s], "overwritten"]

	printf "\n%-60s %-8s %7s  %s\n", "target", "", "here", "met"
	for (s = 1; s <= subjects; s++)
		if (subject[s] ~ /^ramz-/) speed_targets(subject[s])
	for (s = 1; s <= subjects; s++)
		if (subject[s] ~ /^ramz-/) memory_targets(subject[s])
	if (json != "") write_json()
}

function write_json(    s, j, key, p, comma) {
	printf "{\"schema\": \"ramz-disk/1\", \"date\": \"%s\", \"kernel\": \"%s\", \"processors\": %d,\n", \
		date, kernel, cpus >json_file
	printf " \"fio\": \"%s\", \"nbdkit\": \"%s\", \"content\": \"%s\", \"content_bytes\": %d,\n", \
		fio, nbdkit, what, bytes >json_file
	printf " \"rounds\": %d, \"seconds\": %d,\n \"results\": [", rounds, seconds >json_file
	for (j = 1; j <= jobs; j++)
		for (s = 1; s <= subjects; s++) {
			key = subject[s] SUBSEP job[j]
			if (!(key in iops)) continue
			split(job[j], p, " ")
			printf "%s\n  {\"disk\": \"%s\", \"rw\": \"%s\", \"bs\": \"%s\", \"depth\": %d, \"connections\": %d, " \
				"\"iops\": %d, \"mean_us\": %.1f, \"p99_us\": %d}", comma, subject[s], p[1], p[2], p[3], p[4], \
				iops[key], mean[key], p99[key] >json_file
			comma = ","
		}
	printf "],\n \"memory\": [" >json_file
	for (s = 1; s <= subjects; s++)
		printf "%s\n  {\"disk\": \"%s\", \"filled_bytes\": %d, \"overwritten_bytes\": %d, " \
			"\"rss_filled_bytes\": %d, \"rss_overwritten_bytes\": %d}", \
			(s > 1 ? "," : ""), subject[s], held[subject[s], "filled"], held[subject[s], "overwritten"], \
			grown[subject[s], "filled"], grown[subject[s], "overwritten"] >json_file
	printf "],\n \"targets\": [%s]}\n", targets >json_file
	close(json_file)
}
