import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { problemCodes, problemKind } from '../../src/api/http/problem.ts'
import { variableNames } from '../../src/config/environment.ts'
import { loadConfig } from '../../src/config.ts'
import { refusals } from '../../src/domain/refusal.ts'
import { createMetrics } from '../../src/metrics.ts'
import { exampleEnvironment, readText, root, section, tableRows } from '../support/documents.ts'

/** Checks the layers of docs/architecture.md, and that the documents agree with the code. */
function filesIn(folder: string, extension: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => extension.test(name))
    .map((name) => `${folder}/${name}`)
    .sort()
}

/**
 * Reads the imports of a file, types included, as paths from the top of the repository or package
 * names.
 */
function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readText(file), true, true)
  return importedFiles.map(({ fileName }) =>
    fileName.startsWith('.') ? normalize(join(dirname(file), fileName)) : fileName,
  )
}

const sources = [...filesIn('src', /\.ts$/), ...filesIn('scripts', /\.(ts|js)$/)]
const harnesses = ['functional_test', 'test', 'bench'].flatMap((folder) => filesIn(folder, /\.ts$/))
const all = [...sources, ...harnesses]
const imports = new Map(all.map((file) => [file, importsOf(file)]))
const isTest = (file: string): boolean => file.endsWith('.test.ts')
const isForTests = (file: string): boolean =>
  isTest(file) || file.endsWith('.contract.ts') || file.startsWith('test/')

function reachableFrom(roots: readonly string[]): ReadonlySet<string> {
  const reached = new Set<string>()
  const open = [...roots]
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    open.push(...(imports.get(file) ?? []))
  }
  return reached
}

/** Finds the first import cycle, if there is one. */
function findCycle(): readonly string[] | undefined {
  const done = new Set<string>()
  const path: string[] = []

  function visit(file: string): readonly string[] | undefined {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    path.push(file)
    for (const next of imports.get(file) ?? []) {
      const cycle = visit(next)
      if (cycle !== undefined) return cycle
    }
    path.pop()
    done.add(file)
    return undefined
  }

  for (const file of imports.keys()) {
    const cycle = visit(file)
    if (cycle !== undefined) return cycle
  }
  return undefined
}

/** Lists `file → import` for every import from files of `from` that matches `to`. */
function arrows(from: RegExp, to: RegExp): string[] {
  return [...imports]
    .filter(([file]) => from.test(file) && !isForTests(file))
    .flatMap(([file, targets]) =>
      targets.filter((target) => to.test(target)).map((target) => `${file} → ${target}`),
    )
}

describe('the layers', () => {
  it('has no import cycle', () => {
    expect(findCycle()).toBeUndefined()
  })

  it('has no file the program does not reach', () => {
    const scripts = sources.filter((file) => file.startsWith('scripts/') && !isTest(file))
    const commands = sources.filter((file) => file.startsWith('src/commands/') && !isTest(file))
    const reached = reachableFrom(['src/main.ts', ...commands, ...scripts])
    const dead = sources.filter((file) => !isForTests(file) && !reached.has(file))
    expect(dead).toEqual([])
  })

  it('has no support for tests that no test uses', () => {
    const mains = ['chaos', 'mutants', 'openapi', 'simulation'].map(
      (name) => `test/${name}/main.ts`,
    )
    const programs = [...mains, 'test/random-run.ts']
    const reached = reachableFrom([...all.filter(isTest), ...programs])
    expect(all.filter((file) => isForTests(file) && !reached.has(file))).toEqual([])
  })

  it.each([
    ['functional_test', /^(functional_test|test\/support\/processes)\//, []],
    ['test/chaos', /^test\/chaos\//, ['src/db/sqlite/driver.ts']],
  ])('lets the black box %s reach nothing of src', (_, from, allowed) => {
    const reached = reachableFrom(harnesses.filter((file) => from.test(file)))
    expect(reached.size).toBeGreaterThan(10)
    const inside = [...reached].filter((file) => file.startsWith('src/'))
    expect(inside).toEqual(allowed)
  })

  it('ships nothing that is only for tests', () => {
    const commands = sources.filter((file) => file.startsWith('src/commands/') && !isTest(file))
    const shipped = reachableFrom(['src/main.ts', ...commands])
    expect([...shipped].filter(isForTests)).toEqual([])
  })

  it.each(['api', 'consumers', 'cron'])('%s imports none of the other two', (layer) => {
    const others = ['api', 'consumers', 'cron'].filter((each) => each !== layer)
    const to = new RegExp(`^src/(${others.join('|')})/`)
    expect(arrows(new RegExp(`^src/${layer}/`), to)).toEqual([])
  })

  it('lets the domain import nothing but the domain', () => {
    expect(arrows(/^src\/domain\//, /^(?!src\/domain\/)/)).toEqual([])
  })

  it('lets adapters know nobody above them', () => {
    const below = /^src\/(db|broker|payments|audit)\//
    expect(arrows(below, /^src\/(api|consumers|cron|holdfast|main)/)).toEqual([])
  })

  it.each([
    ['express', /^src\/api\//],
    ['better-sqlite3', /^src\/db\/sqlite\/driver\.ts$/],
    ['nsqjs', /^src\/broker\/nsq\//],
    ['node-cron', /^src\/cron\//],
  ])('names %s only where it belongs', (name, where) => {
    const named = arrows(/^src\//, new RegExp(`^${name}$`))
    expect(named).not.toEqual([])
    expect(named.filter((arrow) => !where.test(arrow.split(' ')[0] ?? ''))).toEqual([])
  })

  it('lets only holdfast.ts, commands and scripts name concrete adapters', () => {
    const adapters = /^src\/(db\/sqlite|broker\/(nsq|embedded)|payments\/(simulator|http))\//
    const named = arrows(/^src\/(?!db\/|broker\/|payments\/|commands\/)/, adapters)
    expect(new Set(named.map((arrow) => arrow.split(' ')[0]))).toEqual(new Set(['src/holdfast.ts']))
  })
})

describe('docs/problems.md', () => {
  const page = readText('docs/problems.md')
  const [problems = '', refused = ''] = page.split('## Refusals of add-to-cart')

  it('says every problem, with the status and the wait of the code, and no other', () => {
    const documented = tableRows(problems).map(([code, status, retry]) => [code, status, retry])
    const known = problemCodes.map((code) => {
      const { status, retryAfter } = problemKind(code)
      return [code, String(status), retryAfter === undefined ? '' : `${retryAfter} s`]
    })
    expect(documented.sort()).toEqual(known.sort())
  })

  it('says every refusal and the problem it is told as, and no other', () => {
    const documented = tableRows(refused)
    expect(documented.map(([refusal]) => refusal).sort()).toEqual([...refusals].sort())
    const told = documented.map(([, problem = '']) => problem.replaceAll('`', ''))
    expect(told.filter((code) => !problemCodes.some((known) => known === code))).toEqual([])
  })
})

describe('docs/operations.md', () => {
  it('says every metric of ours and no other', async () => {
    const text = await createMetrics().read()
    const known = [...text.matchAll(/^# TYPE (holdfast_\w+) (\w+)$/gm)].map(([, name, kind]) => [
      name,
      kind,
    ])
    const documented = tableRows(section(readText('docs/operations.md'), 'Metrics'))
    expect(documented.map(([name, kind]) => [name, kind]).sort()).toEqual(known.sort())
  })
})

describe('the variables', () => {
  const variables = [...variableNames].sort()
  const example = exampleEnvironment()

  it('are all in .env.example, each with a line about it, and no others', () => {
    expect(variables).toContain('DATABASE_PATH')
    expect(Object.keys(example).sort()).toEqual(variables)
    expect(readText('.env.example')).not.toMatch(/\n\n[A-Z_]+=/)
  })

  it('have the defaults .env.example says', () => {
    const makeSecret = (): string => 'made-for-this-run'
    expect(loadConfig(example, makeSecret)).toEqual(loadConfig({}, makeSecret))
  })

  it('are all in the README, with these defaults, and no others', () => {
    const rows = tableRows(section(readText('README.md'), 'Configuration'))
    const documented = rows.map(([name, value = '']) => [name, value.replaceAll('`', '')])
    expect(Object.fromEntries(documented)).toEqual(example)
    expect(rows).toHaveLength(variables.length)
  })
})

describe('the texts', () => {
  const texts = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...filesIn('docs', /\.md$/)]

  it.each(texts)('%s names files that exist', (text) => {
    const paths = [
      ...readText(text).matchAll(
        /`((?:src|test|scripts|migrations|docs|deploy|functional_test|bench)\/[^`\s]+)`/g,
      ),
    ]
    const missing = paths
      .map(([, path = '']) => path)
      .filter((path) => !existsSync(join(root, path)))
    expect(missing).toEqual([])
  })

  it.each(texts)('%s links to files and headings that exist', (text) => {
    const links = [...readText(text).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)]
    const broken = links.filter(([, path = '', heading]) => {
      const target = path === '' ? text : normalize(join(dirname(text), path))
      if (!existsSync(join(root, target))) return true
      return heading !== undefined && !anchors(readText(target)).includes(heading)
    })
    expect(broken.map(([link]) => link)).toEqual([])
  })

  it('docs/guarantees.md cites tests that exist', () => {
    const page = readText('docs/guarantees.md').replaceAll(/\s+/g, ' ')
    const cited = [...page.matchAll(/`([^`]+\.ts)` “([^”]+)”/g)]
    expect(cited.length).toBeGreaterThan(20)
    const missing = cited.filter(([, file = '', title = '']) => {
      return !existsSync(join(root, file)) || !readText(file).includes(title)
    })
    expect(missing.map(([citation]) => citation)).toEqual([])
  })

  it('docs/guarantees.md has a line for every invariant and every fault, and no other', () => {
    const numbered = (letter: string, count: number): readonly string[] =>
      Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)
    const documented = [...readText('docs/guarantees.md').matchAll(/^\| ([IF]\d+) /gm)].map(
      ([, id]) => id,
    )
    expect(documented).toEqual([
      ...numbered('I', 24),
      'I32',
      ...numbered('F', 22),
      'F30',
      'F31',
      'F35',
    ])
  })
})

function anchors(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  )
}
