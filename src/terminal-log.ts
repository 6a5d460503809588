/** Makes a log line readable on a terminal. Elsewhere lines stay JSON. */
export type FormatLine = (line: string) => string

/** The options of `pino-pretty` that are used; it is loaded only where there is a terminal. */
export interface PrettyOptions {
  readonly colorize: boolean
  readonly ignore: string
  readonly translateTime: string
  readonly singleLine: boolean
}
type PrettyFactory = (options: PrettyOptions) => (entry: object) => string | undefined

/** The role and the node are the same on every line of one terminal; the banner says them. */
const sameOnEveryLine = 'role,node'

/** Turns one JSON line of pino into one or more lines for a person, in local time. */
export function createTerminalFormat(factory: PrettyFactory, colorize: boolean): FormatLine {
  const pretty = factory({
    colorize,
    ignore: sameOnEveryLine,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  return (line) => pretty(JSON.parse(line, withoutControls) as object) ?? line
}

/**
 * JSON keeps control characters harmless as `\u001b`. On a terminal they would move the cursor or
 * worse, and part of a line is text that clients sent. Tabs and line breaks of stacks stay.
 */
function withoutControls(_key: string, value: unknown): unknown {
  const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g
  return typeof value === 'string' ? value.replace(controls, '\ufffd') : value
}
