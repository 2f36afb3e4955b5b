/** What an installation takes from the injector: webhook configurations, and the proxy of gateways. */
import { customResourceDefinitions } from "../api/custom-resources.ts";
import type { Result } from "../base/diagnostic.ts";
import type { ClusterFeatures } from "../inject/cluster-features.ts";
import { readInjectorConfig } from "../inject/config.ts";
import {
  defaultValidator,
  mutatingWebhookConfiguration,
  revisionTagWebhook,
  validatingWebhookConfiguration,
} from "../inject/webhook-objects.ts";
import { injectYaml } from "../inject/yaml-injection.ts";
import { resourceOf } from "../install/objects.ts";
import type { RenderParts } from "../install/render.ts";
import { type DefaultHolder, defaultHolder } from "../install/revision-tags.ts";
import type { ApiClient } from "../sources/client/api-client.ts";
import { isObject } from "../sources/json.ts";
import { readYamlValue } from "../sources/yaml.ts";

export function renderParts(version: string, features: ClusterFeatures): RenderParts {
  return {
    customResourceDefinitions,
    injectionWebhook: mutatingWebhookConfiguration,
    defaultTagWebhook: facts => revisionTagWebhook(facts, "default"),
    validationWebhook: validatingWebhookConfiguration,
    defaultValidator,
    injectGateway(deployment, texts) {
      const config = readInjectorConfig(texts);
      if (!config.ok) return config;
      const request = { config: config.value, features, version, namespace: "" };
      const injected = injectYaml(JSON.stringify(deployment), request);
      if (!injected.ok) return injected;
      const value = readYamlValue(injected.value);
      const { diagnostics } = injected;
      return isObject(value) ? { ok: true, value, diagnostics } : notReadAgain();
    },
  };
}

/** Who serves namespaces that name no revision; nobody where that can not be read. */
export async function defaultOf(client: ApiClient): Promise<DefaultHolder> {
  const list = await client.list(resourceOf("MutatingWebhookConfiguration"));
  return defaultHolder(list.ok ? list.value.items : []);
}

function notReadAgain(): Result<never> {
  const message = "the Deployment with its proxy is larger than 1 MiB";
  return { ok: false, diagnostics: [{ severity: "error", path: "", message, reason: "TooLarge" }] };
}
