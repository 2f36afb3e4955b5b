{{- /* Behind the names of what each revision has for itself. */}}
{{- define "istiod.suffix" -}}
{{- with .Values.revision }}-{{ . }}{{ end -}}
{{- end }}

{{- /* Behind the names of cluster-wide webhooks of control planes in other namespaces. */}}
{{- define "istiod.outside" -}}
{{- if ne .Release.Namespace "istio-system" }}-{{ .Release.Namespace }}{{ end -}}
{{- end }}

{{- /* hub/pilot:tag, or the whole image where it is named. */}}
{{- define "istiod.image" -}}
{{- $image := .Values.image | default "pilot" }}
{{- if contains "/" $image }}
{{- $image }}
{{- else }}
{{- $hub := .Values.hub | default .Values.global.hub }}
{{- $tag := .Values.tag | default .Values.global.tag | toString }}
{{- printf "%s/%s:%s" $hub $image $tag }}
{{- end }}
{{- end }}

{{- /* Of `default:info,other:debug` the default one. */}}
{{- define "istiod.logLevel" -}}
{{- $level := dig "logging" "level" "" .Values.global }}
{{- regexFind "(?:^|,)(?:default:)?(?:debug|info|warn|error)(?:$|,)" $level | regexFind "debug|info|warn|error" }}
{{- end }}

{{- define "istiod.mesh" -}}
{{- $mesh := include "istiod.meshDefaults" . | fromYaml }}
{{- include "lateen.overlay" (list $mesh (deepCopy .Values.meshConfig)) }}
{{- toYaml $mesh }}
{{- end }}

{{- define "istiod.meshNetworks" -}}
{{- toYaml (dict "networks" (.Values.global.meshNetworks | default dict)) }}
{{- end }}

{{- /* What injection and its templates read. */}}
{{- define "istiod.injectorValues" -}}
{{- $values := pick (deepCopy .Values) "global" "istio_cni" "sidecarInjectorWebhook" }}
{{- $_ := set $values "pilot" (pick .Values "cni" "env" "ipFamilies") }}
{{- $_ := set $values "revision" (.Values.revision | default "") }}
{{- $_ := set $values.global "tag" (toString $values.global.tag) }}
{{- $_ := set $values.global "istioNamespace" .Release.Namespace }}
{{- toPrettyJson $values }}
{{- end }}

{{- /* Where the API server finds the injector, here or in another cluster. */}}
{{- define "istiod.injectorClient" -}}
{{- $remote := .Values.istiodRemote.enabled | ternary .Values.istiodRemote dict }}
{{- $path := printf "/inject%s" (get $remote "injectionPath" | trimPrefix "/inject") }}
{{- with get $remote "injectionURL" }}
url: {{ printf "%s%s" (regexReplaceAll "/inject\\b.*$" . "") $path | quote }}
{{- else }}
service:
  name: istiod{{ include "istiod.suffix" . }}
  namespace: {{ .Release.Namespace | quote }}
  path: {{ $path | quote }}
  port: 443
{{- end }}
{{- end }}
