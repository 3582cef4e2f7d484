{{- /*
The numbers that follow from others, each made once: YAML of a map. What uses them are the manifests, the refusals and NOTES.txt.

marginSeconds: what the end of a pod may need beyond the drain: its timer begins with the signal, which comes after the pod was told to
  go. A guess, never tuned.
bufferFactor: the image lets the heap grow to 60 % of the memory limit. Of the other 40 %, half is for the buffers (BUFFER_BYTES_MAX),
  half for Node itself, its sockets, what the codecs inflate, and the answers that were asked for before fetching paused. So the buffers
  may have 20 %, and the limit is at least five times their size. Tried with 64 MiB of records of 2.5 KB, and a backlog of 80,000: within five
  times that, 320 MiB, at most 290 were used. Within four times, 252 of 256 were used by records that only waited.
podsMax: how many pods there may be at once. One that drains keeps its connections, and its replacement starts meanwhile; a rolling
  update has one more.
partitions: the group's assignor balances the sum over all topics within one, so a replica is idle only beyond that sum, not beyond
  the largest topic. KEDA compares each topic with its own partitions, so it asks for no more than the largest has: the default of
  scaling.maxReplicas.
*/ -}}
{{- define "sluice.sums" -}}
{{- $effective := include "sluice.effective" . | fromYaml -}}
{{- $scaling := .Values.scaling -}}
{{- $scaled := or $scaling.keda.enabled $scaling.hpa.enabled -}}
{{- $partitions := 0 -}}
{{- $largest := 0 -}}
{{- range .Values.topics -}}
{{- $partitions = add $partitions (int64 .partitions) -}}
{{- $largest = max $largest (int64 .partitions) -}}
{{- end -}}
{{- $drain := divf (float64 $effective.DRAIN_TIMEOUT_MS) 1000 | ceil | int64 -}}
{{- $margin := 5 -}}
{{- $derivedGrace := add $drain (mul 2 $margin) -}}
{{- $replicasMax := $scaled | ternary (int64 ($scaling.maxReplicas | default $largest)) (int64 .Values.replicas) -}}
{{- $surge := eq .Values.strategy "RollingUpdate" | ternary 1 0 -}}
{{- $podsMax := add $replicasMax $surge 1 -}}
{{- $bufferFactor := 5 -}}
scaled: {{ $scaled }}
httpPort: {{ int64 $effective.HTTP_PORT }}
drainTimeoutMs: {{ int64 $effective.DRAIN_TIMEOUT_MS }}
drainSeconds: {{ $drain }}
marginSeconds: {{ $margin }}
derivedGraceSeconds: {{ $derivedGrace }}
graceSeconds: {{ .Values.terminationGracePeriodSeconds | default $derivedGrace | int64 }}
partitions: {{ $partitions }}
partitionsLargest: {{ $largest }}
replicasMax: {{ $replicasMax }}
surge: {{ $surge }}
podsMax: {{ $podsMax }}
poolMax: {{ int64 $effective.DATABASE_POOL_MAX }}
connectionsMax: {{ mul $podsMax (int64 $effective.DATABASE_POOL_MAX) }}
bufferBytes: {{ int64 $effective.BUFFER_BYTES_MAX }}
bufferFactor: {{ $bufferFactor }}
memoryBytesMin: {{ mul $bufferFactor (int64 $effective.BUFFER_BYTES_MAX) }}
memoryBytes: {{ include "sluice.bytes" ((.Values.resources.limits).memory | default "") }}
lagThreshold: {{ mul (int64 $scaling.drainSeconds) (int64 $scaling.recordsPerSecondPerReplica) }}
{{- end -}}

{{- /* A quantity such as 512Mi in bytes; 0 for "". */ -}}
{{- define "sluice.bytes" -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 -}}
{{- $unit := regexFind "[A-Za-z]+$" . -}}
{{- mulf (float64 (trimSuffix $unit .)) (float64 (get $units $unit | default 1)) | int64 -}}
{{- end -}}

{{- /* The topics' partitions as a sum: 12 (orders) + 3 (returns). */ -}}
{{- define "sluice.partitionsShown" -}}
{{- $shown := list -}}
{{- range .Values.topics -}}
{{- $shown = append $shown (printf "%d (%s)" (int64 .partitions) .name) -}}
{{- end -}}
{{- join " + " $shown -}}
{{- end -}}
