{{- /* One rule: to the ports that are given, or else to those that follow from the configuration; anywhere, where no peers are given. */ -}}
{{- define "sluice.egress" -}}
- ports:
    {{- range .rule.ports | default .ports }}
    - {port: {{ int64 . }}, protocol: TCP}
    {{- end }}
  {{- with .rule.to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* Of the brokers that are configured. What the others listen on only they know: give networkPolicy.kafka.ports where it differs. */ -}}
{{- define "sluice.kafkaPorts" -}}
{{- $effective := include "sluice.effective" . | fromYaml -}}
{{- $ports := list -}}
{{- range splitList "," ($effective.KAFKA_BROKERS | default "") -}}
{{- $ports = append $ports (regexFind "[0-9]+$" (trim .) | int64) -}}
{{- end -}}
{{- $ports | uniq | toYaml -}}
{{- end -}}

{{- /* Of a URL. Empty for none: then there is a refusal, and nothing is installed. */ -}}
{{- define "sluice.portOf" -}}
{{- with . -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (eq $url.scheme "https" | ternary "443" "80") -}}
{{- end -}}
{{- end -}}
