{{- /*
Values that are each right and contradict each other are refused before anything is installed, all at once, with the arithmetic. What is
wrong by itself (a name, a type) values.schema.json has refused before.
*/ -}}
{{- define "sluice.refuse" -}}
{{- $problems := list
  (include "sluice.refuse.missing" .)
  (include "sluice.refuse.shapes" .)
  (include "sluice.refuse.secrets" .)
  (include "sluice.refuse.http" .)
  (include "sluice.refuse.grace" .)
  (include "sluice.refuse.scaling" .)
  (include "sluice.refuse.keda" .)
  (include "sluice.refuse.partitions" .)
  (include "sluice.refuse.connections" .)
  (include "sluice.refuse.memory" .)
  (include "sluice.refuse.monitoring" .)
  | join "" | trim -}}
{{- with $problems -}}
{{- fail (printf "these values cannot be installed:\n\n%s\n" .) -}}
{{- end -}}
{{- end -}}

{{- define "sluice.refuse.missing" -}}
{{- $given := include "sluice.given" . | fromYaml -}}
{{- $extra := include "sluice.extraNames" . | fromYamlArray -}}
{{- range list "KAFKA_BROKERS" "KAFKA_GROUP_ID" "SCHEMA_REGISTRY_URL" }}
{{- if not (hasKey $given .) }}
- config.{{ . }} is required
{{- end }}
{{- end }}
{{- $files := list -}}
{{- range include "sluice.files" . | fromYamlArray -}}
{{- $files = append $files .name -}}
{{- end -}}
{{- if and .Values.database.enabled (not (has "DATABASE_URL" (concat $files $extra))) }}
- DATABASE_URL is required: name the key of a Secret with secrets.existingSecret and secrets.keys.DATABASE_URL (for a trial, give secrets.values.DATABASE_URL), or say database.enabled=false where no handler has an idempotency key
{{- end }}
{{- end -}}

{{- /* What is wrong is not shown: it may be a password in the wrong place. */ -}}
{{- define "sluice.refuse.shapes" -}}
{{- $given := include "sluice.given" . | fromYaml -}}
{{- range $name, $must := include "sluice.patterns" . | fromYaml }}
{{- if and (hasKey $given $name) (not (regexMatch $must.pattern (get $given $name))) }}
- config.{{ $name }} is not what it must be: {{ $must.shape }}, without a user and password
{{- end }}
{{- end }}
{{- range $name, $key := .Values.secrets.keys }}
{{- $text := $key }}
{{- if kindIs "map" $key }}
{{- $text = $key.key }}
{{- end }}
{{- if and $text (not (regexMatch "^[A-Za-z0-9._-]+$" $text)) }}
- secrets.keys.{{ $name }} is no name of a key: letters, digits, dots, dashes and underscores
{{- end }}
{{- end }}
{{- end -}}

{{- define "sluice.refuse.secrets" -}}
{{- $secrets := .Values.secrets -}}
{{- range $name, $key := $secrets.keys }}
{{- if and $key (get ($secrets.values | default dict) $name) }}
- {{ $name }} is both given (secrets.values.{{ $name }}) and named (secrets.keys.{{ $name }}): leave one of them out
{{- end }}
{{- if and (kindIs "string" $key) $key (not $secrets.existingSecret) }}
- secrets.keys.{{ $name }} is a key of secrets.existingSecret, which is not given
{{- end }}
{{- end }}
{{- if and $secrets.existingSecret (not (include "sluice.namesKeys" .)) }}
- secrets.existingSecret is given and none of its keys is used: say which variable is under which key in secrets.keys
{{- end }}
{{- $extra := include "sluice.extraNames" . | fromYamlArray -}}
{{- $given := include "sluice.given" . | fromYaml -}}
{{- range $name, $_ := $given }}
{{- if has $name $extra }}
- {{ $name }} is given twice: config.{{ $name }} and extraEnv
{{- end }}
{{- end }}
{{- range include "sluice.files" . | fromYamlArray }}
{{- if hasKey $given .name }}
- {{ .name }} is given twice: config.{{ .name }} and secrets
{{- end }}
{{- if has .name $extra }}
- {{ .name }} is given twice: by secrets and by extraEnv
{{- end }}
{{- end }}
{{- end -}}

{{- define "sluice.namesKeys" -}}
{{- range .Values.secrets.keys -}}
{{- if and (kindIs "string" .) . -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sluice.refuse.http" -}}
{{- $effective := include "sluice.effective" . | fromYaml -}}
{{- if eq (int64 $effective.HTTP_PORT) 0 }}
- config.HTTP_PORT is 0, a port that nobody knows before the start: probes and Service need one from 1 to 65535
{{- end }}
{{- if regexMatch "^(localhost|127\\..*|::1)$" $effective.HTTP_HOST }}
- config.HTTP_HOST is {{ $effective.HTTP_HOST }}: the probes ask the pod's own address, where nothing would listen
{{- end }}
{{- end -}}

{{- define "sluice.refuse.grace" -}}
{{- $sums := include "sluice.sums" . | fromYaml -}}
{{- $least := add $sums.drainSeconds $sums.marginSeconds -}}
{{- if le (int64 $sums.graceSeconds) $least }}
- terminationGracePeriodSeconds: {{ $sums.graceSeconds }} ≤ {{ $least }} = {{ $sums.drainSeconds }} s to drain (DRAIN_TIMEOUT_MS {{ int64 $sums.drainTimeoutMs }}) + {{ $sums.marginSeconds }} s margin: the pod would be killed before it has committed. Give {{ add $least 1 }} or more, or null for {{ $sums.derivedGraceSeconds }}
{{- end }}
{{- end -}}

{{- define "sluice.refuse.scaling" -}}
{{- $sums := include "sluice.sums" . | fromYaml -}}
{{- $scaling := .Values.scaling -}}
{{- if and $scaling.keda.enabled $scaling.hpa.enabled }}
- scaling.keda.enabled and scaling.hpa.enabled: two autoscalers would set the replicas of one Deployment against each other; turn one of them off
{{- end }}
{{- if and $scaling.hpa.enabled (not $sums.replicasMax) }}
- scaling.maxReplicas is required, or topics, of which it is made
{{- else if and $sums.scaled $sums.replicasMax (gt (int64 $scaling.minReplicas) (int64 $sums.replicasMax)) }}
- scaling.minReplicas: {{ int64 $scaling.minReplicas }} > {{ $sums.replicasMax }} = {{ empty $scaling.maxReplicas | ternary (printf "the partitions of the largest topic of %s" (include "sluice.partitionsShown" .)) "scaling.maxReplicas" }}
{{- end }}
{{- if and $scaling.hpa.enabled (not ((.Values.resources.requests).cpu)) }}
- scaling.hpa.cpuUtilizationPercent is a share of resources.requests.cpu, which is not given
{{- end }}
{{- end -}}

{{- define "sluice.refuse.keda" -}}
{{- $keda := .Values.scaling.keda -}}
{{- if $keda.enabled }}
{{- $sums := include "sluice.sums" . | fromYaml -}}
{{- $effective := include "sluice.effective" . | fromYaml -}}
{{- $known := keys (include "sluice.given" . | fromYaml) -}}
{{- range include "sluice.files" . | fromYamlArray -}}
{{- $known = append $known .name -}}
{{- end -}}
{{- if not .Values.topics }}
- topics is empty, and KEDA asks for the lag of each: list the topics of the handlers with their partitions
{{- end }}
{{- if gt (int64 ($keda.fallback.replicas | default 0)) (int64 $sums.replicasMax) }}
- scaling.keda.fallback.replicas: {{ int64 $keda.fallback.replicas }} > {{ $sums.replicasMax }}, the most replicas there may be
{{- end }}
{{- $mechanism := $effective.KAFKA_SASL_MECHANISM | default "" -}}
{{- $needs := list -}}
{{- if eq $mechanism "oauthbearer" -}}
{{- $needs = list "KAFKA_OAUTH_TOKEN_URL" "KAFKA_OAUTH_CLIENT_ID" "KAFKA_OAUTH_CLIENT_SECRET" -}}
{{- else if $mechanism -}}
{{- $needs = list "KAFKA_SASL_USERNAME" "KAFKA_SASL_PASSWORD" -}}
{{- end -}}
{{- range $needs }}
{{- if not (has . $known) }}
- {{ . }} is required: KEDA logs in with KAFKA_SASL_MECHANISM={{ $mechanism }}, too, and takes it from config and secrets
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sluice.refuse.partitions" -}}
{{- $sums := include "sluice.sums" . | fromYaml -}}
{{- if and .Values.topics (gt (int64 $sums.replicasMax) (int64 $sums.partitions)) }}
- {{ $sums.scaled | ternary "scaling.maxReplicas" "replicas" }}: {{ $sums.replicasMax }} > {{ $sums.partitions }} partitions = {{ include "sluice.partitionsShown" . }}: {{ sub $sums.replicasMax $sums.partitions }} of them would have nothing to read
{{- end }}
{{- end -}}

{{- define "sluice.refuse.connections" -}}
{{- $sums := include "sluice.sums" . | fromYaml -}}
{{- $budget := .Values.database.connectionBudget -}}
{{- if and .Values.database.enabled $budget (gt (int64 $sums.connectionsMax) (int64 $budget)) }}
- database.connectionBudget: {{ int64 $budget }} < {{ int64 $sums.connectionsMax }} = ({{ $sums.replicasMax }} {{ $sums.scaled | ternary "scaling.maxReplicas" "replicas" }} + {{ $sums.surge }} surge + 1 that drains) × {{ $sums.poolMax }} DATABASE_POOL_MAX: take a smaller pool or fewer replicas, or let the database have more
{{- end }}
{{- end -}}

{{- define "sluice.refuse.memory" -}}
{{- $sums := include "sluice.sums" . | fromYaml -}}
{{- if and (gt (int64 $sums.memoryBytes) 0) (lt (int64 $sums.memoryBytes) (int64 $sums.memoryBytesMin)) }}
- resources.limits.memory: {{ .Values.resources.limits.memory }} = {{ int64 $sums.memoryBytes }} < {{ int64 $sums.memoryBytesMin }} = {{ int64 $sums.bufferBytes }} BUFFER_BYTES_MAX × {{ $sums.bufferFactor }}: 60 % of the limit is heap, and the buffers may have half of the rest
{{- end }}
{{- end -}}

{{- define "sluice.refuse.monitoring" -}}
{{- $monitoring := .Values.monitoring -}}
{{- if and $monitoring.serviceMonitor.enabled $monitoring.podMonitor.enabled }}
- monitoring.serviceMonitor.enabled and monitoring.podMonitor.enabled: every replica would be scraped twice, and every sum would be double; turn one of them off
{{- end }}
{{- if and $monitoring.prometheusRule.enabled (not (.Files.Get "files/alerts.yaml")) }}
- monitoring.prometheusRule.enabled, and the chart has no files/alerts.yaml
{{- end }}
{{- end -}}
