# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# micro_table.awk RESULT.json...: one table out of the results of xv_bench. A benchmark is called
# PART/ALLOCATOR/REST. Of the same row the least time counts: other work on the machine only adds.
# Beside each time stand its median, and its ratios to two neighbours; in brackets, the project's
# mark for a ratio. A row with a counter `value` is about that, and not about its time.
BEGIN {
	order = " xvmalloc xvmalloc-nosplit xvmalloc-keyed xvmalloc-hardened xvmalloc-heap tlsf glibc jemalloc " \
		"mimalloc tcmalloc " \
		"ideal ramz raw plain zram mmap highmem buffer "
	neighbours["threads"] = neighbours["remote"] = "glibc jemalloc"
	neighbours["store"] = "raw zram"
	neighbours["tiers"] = "plain zram"
	mark("pair/page/live:1000 xvmalloc tlsf 1.4 glibc 1.1")
	mark("pair/page/live:37000 xvmalloc tlsf 1.1 glibc 0.9")
	mark("pair/page/live:37000 xvmalloc-keyed tlsf 0.75 glibc 0.6")
	mark("pair/page/live:1000 xvmalloc-nosplit xvmalloc-keyed 1.25")
	mark("pair/page/live:37000 xvmalloc-nosplit xvmalloc-keyed 1.45")
	mark("pair/small/live:1000 xvmalloc tlsf 1.6")
	mark("pair/small/live:1000 xvmalloc-keyed tlsf 1.2")
	mark("pair/small/live:37000 xvmalloc tlsf 1.3")
	mark("pair/small/live:37000 xvmalloc-keyed tlsf 1")
	mark("pair/recorded/live:37000 xvmalloc-heap tlsf 2 glibc 1.2")
	mark("trace xvmalloc-heap tlsf 2 glibc 1.2")
	mark("remote/page/threads:2 xvmalloc glibc 1 jemalloc 1.43")
	for (i = split("lz4 lzo zstd", codec, " "); i > 0; i--) {
		mark("store/write/" codec[i] " ramz raw 1.25")
		mark("store/overwrite/" codec[i] " ramz raw 1.12")
		mark("store/read/" codec[i] " ramz raw 1.12")
	}
	mark("tiers/memory/cold ramz plain 0.9 zram 0.65")
	mark("tiers/memory/warm ramz plain 0.75")
	mark("tiers/read/warm/p50 ramz plain 1.3")
	mark("tiers/read/hot/p50 ramz plain 1.2")
	mark("tiers/read/hot/p99 ramz plain 1.2")
	mark("tiers/write/hot/p99.9 ramz plain 2")
	mark("tiers/written/once ramz plain 1.05")
	mark("tiers/written/space:2 ramz plain 1.35")
	mark("tiers/written/space:1.5 ramz plain 1.85")
	mark("tiers/read/backed/p50 ramz plain 1.3")
}

function mark(text,    word, n) {
	for (n = split(text, word, " "); n > 2; n -= 2)
		marks[word[1], word[2], word[n - 1]] = word[n]
}

# Google Benchmark writes one key a line; "run_name" is the first of a result that is used.
/^ *"[a-z_]+": / {
	key = $1
	value = $0
	gsub(/[":]/, "", key)
	sub(/^[^:]*: "?/, "", value)
	sub(/"?,?$/, "", value)
	if (key == "run_name")
		split("", result)
	result[key] = value
}
/^ *}/ && "run_name" in result { take(); split("", result) }

# One thread: its processor time, which other work disturbs less. Several: the clock.
function take(    part, allocator, label, n, field, i, time) {
	time = result[result["run_name"] ~ /\/real_time/ ? "real_time" : "cpu_time"] + 0
	if ("value" in result)
		time = result["value"] + 0
	gsub(/\/real_time|\/iterations:[0-9]+/, "", result["run_name"])
	n = split(result["run_name"], field, "/")
	label = field[1]
	allocator = field[2]
	for (i = 3; i <= n; i++)
		label = label "/" field[i]
	if (result["error_occurred"] == "true" || time <= 0)
		return
	if (result["aggregate_name"] == "median")
		median[label, allocator] = time
	if (result["run_type"] != "iteration")
		return
	if (!(label in rows))
		labels[++label_count] = label
	if (!((label, allocator) in least)) {
		rows[label] = rows[label] " " allocator
		least[label, allocator] = time
	}
	if (time < least[label, allocator])
		least[label, allocator] = time
	if ("held" in result)
		held[label, allocator] = result["held"]
}

function ratio(label, allocator, other,    value, wanted) {
	if (allocator == other || !((label, other) in least))
		return "-"
	value = least[label, allocator] / least[label, other]
	wanted = marks[label, allocator, other]
	if (wanted == "")
		return sprintf("%.2f", value)
	return sprintf("%.2f (%.2f%s)", value, wanted, value > wanted ? " missed" : "")
}

# Insertion sort. Allocators stand in the order above, with settings after the one without.
function sort(list, n, by_order,    i, j, moved) {
	for (i = 2; i <= n; i++) {
		moved = list[i]
		for (j = i; j > 1 && rank(moved, by_order) < rank(list[j - 1], by_order); j--)
			list[j] = list[j - 1]
		list[j] = moved
	}
}

function rank(name, by_order,    base) {
	base = name
	sub(/:.*/, "", base)
	return by_order ? sprintf("%03d %s", index(order, " " base " "), name) : name
}

function print_label(label,    allocator, i, n, part, other, key, slow) {
	part = label
	sub(/\/.*/, "", part)
	split(part in neighbours ? neighbours[part] : "tlsf glibc", other, " ")
	printf "%-36s%11s%8s  %-20s%-20s%s\n", label, part == "tiers" ? "ns, bytes" : "ns", "median", "/ " other[1], \
		"/ " other[2], part == "store" ? "held" : part == "pair" ? "/ keyed" : ""
	n = split(rows[label], allocator, " ")
	sort(allocator, n, 1)
	for (i = 1; i <= n; i++) {
		key = label SUBSEP allocator[i]
		slow = key in median ? sprintf("%.2f", median[key] / least[key]) : "-"
		printf "  %-34s%11.1f%8s  %-20s%-20s%s\n", allocator[i], least[key], slow, \
			ratio(label, allocator[i], other[1]), ratio(label, allocator[i], other[2]), \
			key in held ? sprintf("%.3f", held[key]) : \
			part == "pair" && allocator[i] ~ /^xvmalloc-(nosplit|hardened)$/ ? \
				ratio(label, allocator[i], "xvmalloc-keyed") : ""
	}
}

END {
	if (label_count == 0) {
		print "micro_table.awk: no results of xv_bench --benchmark_out in these files" >"/dev/stderr"
		exit 1
	}
	sort(labels, label_count, 0)
	print "The least of all runs, the median over it, and the ratios of the least; (the mark)\n"
	for (l = 1; l <= label_count; l++)
		print_label(labels[l])
}
