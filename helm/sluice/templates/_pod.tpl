{{- /*
The server is up from the first moment. /livez answers whether this process can do its work and never looks at broker, registry or
database, so no probe but the readiness one knows whether they are there: a pod that waits for its broker is not ready, and is left alone.
*/ -}}
{{- define "sluice.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 2
  timeoutSeconds: 5
  # One minute until the process listens. A guess, never tuned.
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  # Half a minute of a blocked loop, or of its own word that only a restart helps. A guess, never tuned.
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{- /* Of one revision at a time: during a rollout the old pods do not count, or the new ones would be spread around them. */ -}}
{{- define "sluice.topologySpread" -}}
{{- $keys := dict "zone" "topology.kubernetes.io/zone" "host" "kubernetes.io/hostname" -}}
{{- $constraints := list -}}
{{- range $over := list "zone" "host" -}}
{{- with get $.Values.topologySpread $over -}}
{{- $selector := dict "matchLabels" (include "sluice.selector" $ | fromYaml) -}}
{{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" (get $keys $over) "whenUnsatisfiable" . "labelSelector" $selector "matchLabelKeys" (list "pod-template-hash")) -}}
{{- end -}}
{{- end -}}
{{- with $constraints -}}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- /* How fast the replicas change, whoever counts them. Each change is a rebalance, and a replica that goes has to drain. */ -}}
{{- define "sluice.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - {type: Pods, value: 2, periodSeconds: 120}
scaleDown:
  stabilizationWindowSeconds: 600
  selectPolicy: Max
  policies:
    - {type: Pods, value: 1, periodSeconds: 300}
{{- end -}}
