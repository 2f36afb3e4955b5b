{{- /* Made by `npm run charts` from what `lateen install` renders: change it there. */ -}}
{{- define "istiod.meshDefaults" -}}
defaultConfig:
  discoveryAddress: "istiod{{ include "istiod.suffix" . }}.{{ .Release.Namespace }}.svc:15012"
{{- if .Values.global.meshID }}
  meshId: {{ .Values.global.meshID | quote }}
{{- end }}
  proxyMetadata:
{{- if .Values.global.network }}
    ISTIO_META_NETWORK: {{ .Values.global.network | quote }}
{{- end }}
{{- if .Values.global.remotePilotAddress }}
    ISTIO_META_REMOTE_PILOT: {{ .Values.global.remotePilotAddress | quote }}
{{- end }}
{{- if hasKey .Values "traceSampling" }}
  tracing:
    sampling: {{ toJson (.Values.traceSampling) }}
{{- end }}
rootNamespace: {{ .Release.Namespace | quote }}
trustDomain: cluster.local
{{- end }}
{{- define "istiod.injectorConfig" -}}
alwaysInjectSelector: {{ toJson (.Values.sidecarInjectorWebhook.alwaysInjectSelector | default list) }}
defaultTemplates: {{ toJson (.Values.sidecarInjectorWebhook.defaultTemplates | default list) }}
injectedAnnotations: {{ toJson (.Values.sidecarInjectorWebhook.injectedAnnotations | default dict) }}
neverInjectSelector: {{ toJson (.Values.sidecarInjectorWebhook.neverInjectSelector | default list) }}
policy: {{ .Values.global.proxy.autoInject | quote }}
templates: {{ toJson (.Values.sidecarInjectorWebhook.templates | default dict) }}
{{- end }}
