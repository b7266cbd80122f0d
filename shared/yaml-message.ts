/**
 * What a YAML parser says, without the words of the text that it repeats after a colon or of an escape: they could be a
 * secret that somebody indented wrongly. Where it is, is told beside the message.
 */
export function withoutSource(message: string): string {
  return message.replace(/: .*$/s, '').replace(/(escape sequence) .*$/s, '$1')
}
