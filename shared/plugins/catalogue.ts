/** Every plugin that definitions may name. None stands yet: a definition with a plugin is refused, not half obeyed. */
export const PLUGIN_NAMES: readonly string[] = []
