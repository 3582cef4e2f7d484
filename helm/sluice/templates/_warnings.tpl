{{- /* What was installed all the same, and somebody should know. */ -}}
{{- define "sluice.warnings" -}}
{{- $effective := include "sluice.effective" . | fromYaml -}}
{{- $monitoring := .Values.monitoring -}}
{{- if include "sluice.givenSecrets" . }}

WARNING: secrets.values gives {{ include "sluice.givenSecrets" . }}: for a trial only. It can be read in Helm's record of this release, too. Make a Secret
of your own, and name it in secrets.existingSecret and secrets.keys.
{{- end }}
{{- if ne $effective.KAFKA_TLS "true" }}

WARNING: KAFKA_TLS is not true: records cross the network in clear{{ if has ($effective.KAFKA_SASL_MECHANISM | default "") (list "plain" "oauthbearer") }}, and so does the login{{ end }}.
{{- end }}
{{- if not (or $monitoring.serviceMonitor.enabled $monitoring.podMonitor.enabled) }}

WARNING: nothing in this release makes Prometheus ask for /metrics, and without that no alert fires. Where the Prometheus operator is,
monitoring.serviceMonitor.enabled does.
{{- end }}
{{- end -}}

{{- /* A certificate can be read by anyone; it is the rest that matters. */ -}}
{{- define "sluice.givenSecrets" -}}
{{- $names := list -}}
{{- range $name, $text := .Values.secrets.values -}}
{{- if and $text (not (regexMatch "_TLS_(CA|CERT)$" $name)) -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- end -}}
{{- join ", " $names -}}
{{- end -}}
