import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

/** The top of the repository; tests compare its texts with the program. */
export const root = join(import.meta.dirname, '..', '..')

/** Reads a text; `path` is from the top of the repository. */
export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Returns the text from a heading of the second level to the next one. */
export function section(markdown: string, heading: string): string {
  const found = markdown.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  if (found === undefined) throw new Error(`no section "${heading}"`)
  return found
}

/** The contents of the fenced blocks of a language. */
export function codeBlocks(markdown: string, language: string): readonly string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms')
  return [...markdown.matchAll(fence)].map(([, block = '']) => block)
}

/**
 * Returns the cells of every table row whose first cell is `code`, without the backticks of that
 * cell.
 */
export function tableRows(markdown: string): readonly (readonly [string, ...string[]])[] {
  return [...markdown.matchAll(/^\| *`([^`]+)` *\|(.*)\|$/gm)].map(([, name = '', rest = '']) => [
    name,
    ...rest.split('|').map((cell) => cell.trim()),
  ])
}

/** `.env.example` as a process would read it. */
export function exampleEnvironment(): Readonly<Record<string, string>> {
  return parseEnv(readText('.env.example')) as Record<string, string>
}
