import type { ApiSpec } from '../../../shared/definitions/api.ts'
import type { DefinitionInput } from '../../../shared/definitions/kinds.ts'
import type { UpstreamSpec } from '../../../shared/definitions/upstream.ts'

/** An Api that sends everything below a path to targets. */
export function api(
  name: string,
  path: string,
  upstream: UpstreamSpec | string,
  more: Partial<ApiSpec> = {},
): DefinitionInput {
  return { kind: 'Api', name, spec: { routes: [{ path }], upstream, ...more } }
}

/** An upstream of targets with equal weights. */
export function targets(...urls: readonly string[]): UpstreamSpec {
  return { targets: urls.map((url) => ({ url })) }
}
