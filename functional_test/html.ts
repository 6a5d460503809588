/** Text that is markup already. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Insertable = string | number | Html | readonly Html[]

/** Makes markup from a template. Every value that is not `Html` is escaped. */
export function html(parts: TemplateStringsArray, ...values: readonly Insertable[]): Html {
  return new Html(parts.map((part, index) => part + inserted(values[index] ?? '')).join(''))
}

function inserted(value: Insertable): string {
  if (value instanceof Html) return value.text
  if (typeof value === 'number') return `${value}`
  if (typeof value === 'string') return escaped(value)
  return value.map((one) => one.text).join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)
