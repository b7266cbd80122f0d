/**
 * Every plugin that definitions may name, in the order in which they look at a request. Without the schemas of their
 * options, which gateways do not load.
 */
export const PLUGIN_NAMES = [
  'cors',
  'require-https',
  'bot-deny',
  'ip-deny',
  'ip-allow',
  'referer-allow',
  'authentication',
  'key-auth',
  'basic-auth',
  'hmac',
  'mtls',
  'jwt',
  'oauth2-introspection',
  'oidc',
  'roles',
  'acl',
  'size-limit',
  'concurrency-limit',
  'rate-limit',
  'quota',
] as const

export type PluginName = (typeof PLUGIN_NAMES)[number]
