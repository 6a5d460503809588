import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { readText, root } from '../support/documents.ts'

/**
 * Comments begin with a subject, not with a clause that stands for one: "Who cannot pay leaves" has
 * to be read twice, "A shopper who cannot pay leaves" has not.
 */
const clauseWords =
  /^(What|Whatever|Who|Whoever|Whom|Whose|Whether|How|Why|Of|As|That|Or|Beside|Else|So|And|But)\b/

/** Later sentences may begin with "That" or "So"; these words begin a clause there, too. */
const clauseWordsLater = /[.:;] (What|Whatever|Who|Whoever|Whom|Whose|Of)\b(?![^.]*\?)/

const folders = ['bench', 'functional_test', 'scripts', 'src', 'test']

interface Comment {
  readonly line: number
  readonly text: string
}

/** Reads the comments of a TypeScript file. Line comments on successive lines are one comment. */
function commentsOf(name: string, text: string): readonly Comment[] {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
  const found = new Map<number, ts.CommentRange>()
  function visit(node: ts.Node): void {
    const leading = ts.getLeadingCommentRanges(text, node.pos) ?? []
    const trailing = ts.getTrailingCommentRanges(text, node.end) ?? []
    for (const range of [...leading, ...trailing]) found.set(range.pos, range)
    for (const child of node.getChildren(file)) visit(child)
  }
  visit(file)
  const ranges = [...found.values()].sort((one, other) => one.pos - other.pos)
  const blocks: string[] = []
  const comments: Comment[] = []
  for (const [index, range] of ranges.entries()) {
    const written = text.slice(range.pos, range.end)
    const before = text.slice(ranges[index - 1]?.end ?? 0, range.pos)
    const isOwnLine = /(^|\n)\s*$/.test(before)
    const isContinued =
      written.startsWith('//') && /^\n[ \t]*$/.test(before) && blocks.at(-1) === '//'
    blocks.push(written.startsWith('//') && isOwnLine ? '//' : '')
    const words = written.replaceAll(/^\s*(\/\*+|\*\/|\*|\/\/)|\*\/$/gm, '')
    const line = file.getLineAndCharacterOfPosition(range.pos).line + 1
    const previous = isContinued ? comments.pop() : undefined
    comments.push({
      line: previous?.line ?? line,
      text: `${previous?.text ?? ''} ${words}`.replaceAll(/\s+/g, ' ').trim(),
    })
  }
  return comments
}

const isClause = ({ text }: Comment): boolean =>
  clauseWords.test(text) || clauseWordsLater.test(text)

describe('a comment', () => {
  it('is recognised by its first word, over several lines and in later sentences', () => {
    const text = [
      '/** Who asks twice waits. */ const a = 1 // Closes it.',
      '// The gate says no.',
      '// Whoever comes later reads this.',
      'const b = "// Of no concern"',
      '/** Counts. What it counts is below. */',
    ].join('\n')
    const comments = commentsOf('example.ts', text)
    expect(comments.filter(isClause).map(({ line }) => line)).toEqual([1, 2, 5])
  })

  it.each(folders)('in %s begins with a subject, not with a clause', (folder) => {
    const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${folder}/${name}`)
    const clauses = files.flatMap((file) =>
      commentsOf(file, readText(file))
        .filter(isClause)
        .map(({ line, text }) => `${file}:${line} ${text.slice(0, 80)}`),
    )
    expect(files).not.toEqual([])
    expect(clauses.sort()).toEqual([])
  })
})
