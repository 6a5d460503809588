import { Script } from 'node:vm'
import { parse, type DefaultTreeAdapterTypes, type ParserError } from 'parse5'
import { describe, expect, test } from 'vitest'
import type { Finding } from './judgement.ts'
import { pageScript } from './page-parts.ts'
import { pageOf } from './page.ts'
import { summaryOfASmallRun } from './testing/small-run.ts'

type Node = DefaultTreeAdapterTypes.Node

function parsed(page: string): { readonly nodes: readonly Node[]; readonly errors: string[] } {
  const errors: string[] = []
  const onParseError = ({ code, startLine }: ParserError) => errors.push(`${code}:${startLine}`)
  const nodes: Node[] = [parse(page, { onParseError, sourceCodeLocationInfo: true })]
  for (const node of nodes) if ('childNodes' in node) nodes.push(...node.childNodes)
  return { nodes, errors }
}

const namesOf = (nodes: readonly Node[]): string[] => nodes.map((node) => node.nodeName)

const attributesOf = (nodes: readonly Node[]): string[] =>
  nodes.flatMap((node) => ('attrs' in node ? node.attrs.map(({ name }) => name) : []))

const textOf = (nodes: readonly Node[]): string =>
  nodes.map((node) => ('value' in node ? node.value : '')).join('\n')

const good: Finding = { id: 'B1', title: 'fine', violations: 0, measured: '0 of 9', examples: [] }

describe('the page of a run', () => {
  const page = pageOf(summaryOfASmallRun([good]))

  test('is HTML without a fault', () => {
    const { nodes, errors } = parsed(page)
    expect(errors).toEqual([])
    expect(namesOf(nodes).filter((name) => name === 'svg')).toHaveLength(14)
  })

  test('fetches nothing: it holds no URL and nothing that would load one', () => {
    expect(page).not.toMatch(/https?:|\/\/[a-z]|url\(|@import|import\(|fetch\(/i)
    const { nodes } = parsed(page)
    expect(attributesOf(nodes)).not.toContain('src')
    expect(attributesOf(nodes)).not.toContain('href')
    expect(namesOf(nodes)).not.toContain('link')
  })

  test('has a script that can be run', () => {
    expect(() => new Script(pageScript)).not.toThrow()
    expect(page).toContain(pageScript)
  })

  test('says the verdict, the numbers and the units of the axes', () => {
    const text = textOf(parsed(page).nodes)
    expect(text).toContain('VERDICT: all 1 invariants hold')
    expect(text).toContain('1 holds')
    expect(text).toContain('in the race, all told within 10 ms: a rate of 100 per second')
    expect(text).toContain('in the race, all told within 20 ms: a rate of 50 per second')
    for (const label of [
      'units',
      'holds / s',
      'holds / 50 ms',
      'ms since the first',
      'refusals / s',
      'seconds since',
      'ms from first byte',
    ]) {
      expect(text).toContain(label)
    }
  })

  test('shows what is violated, with its example', () => {
    const bad: Finding = { ...good, violations: 1, measured: '1 of 9', examples: ['unit 7'] }
    const text = textOf(parsed(pageOf(summaryOfASmallRun([bad]))).nodes)
    expect(text).toContain('✗ violated')
    expect(text).toContain('unit 7')
  })
})

test('whatever a shop says stays text', () => {
  const hostile = `"'><script>alert(1)</script><img onerror=alert(1)>&amp;`
  const finding: Finding = {
    id: hostile,
    title: hostile,
    violations: 1,
    measured: hostile,
    examples: [hostile, `${hostile} again`],
  }
  const plain = summaryOfASmallRun()
  const page = pageOf({
    ...plain,
    about: { ...plain.about, shop: hostile, machine: hostile },
    outcomes: [{ outcome: hostile, race: 1, comingBack: 1 }],
    events: [{ what: hostile, times: 1 }],
    memory: [{ process: hostile, megabytes: 1, source: 'kernel' }],
    findings: [finding],
  })
  const { nodes, errors } = parsed(page)
  expect(errors).toEqual([])
  expect(namesOf(nodes).filter((name) => name === 'script')).toHaveLength(1)
  expect(namesOf(nodes)).not.toContain('img')
  // The text appears as shop, machine, outcome, event, process, and in all fields of the finding
  // but one.
  expect(textOf(nodes).split(hostile)).toHaveLength(10)
})

test('a run in which nothing was told has a page as well', () => {
  const plain = summaryOfASmallRun()
  const page = pageOf({
    ...plain,
    latencies: [],
    stock: [],
    perSecond: [],
    firstSecond: [],
    memory: [],
    raceLatencies: { held: [], refused: [] },
  })
  expect(parsed(page).errors).toEqual([])
  expect(page).not.toMatch(/NaN|Infinity|undefined/)
})
