import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readFlags, readWholeNumber, runCommand } from '../scripts/command-line.ts'
import { readText, root } from './support/documents.ts'
import { startChild } from './support/processes/child-process.ts'
import { randomSeed, seedMax } from './support/random.ts'

const usage = `Usage: npm run test:random [-- flags]

The suites that draw numbers, with a seed that nobody has chosen; npm test always uses the same one. The
seed is printed first: with it a failure comes again.

  --seed <n>  this seed
  --help      this text

Exit code: that of vitest, 2 wrong usage.`

const flags = { seed: { type: 'string' } } as const
const hangMs = 3_600_000

async function run(args: readonly string[]): Promise<number> {
  const given = readWholeNumber('seed', readFlags(args, flags).seed, { min: 0, max: seedMax })
  const seed = given ?? randomSeed()
  console.log(`seed ${seed} (again: npm run test:random -- --seed ${seed})`)
  const child = startChild({
    name: 'vitest',
    command: [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', ...seededSuites()],
    environment: { ...process.env, HOLDFAST_SEED: String(seed) },
    folder: root,
  })
  child.stdout.pipe(process.stdout)
  child.stderr.pipe(process.stderr)
  const { code } = await child.endsWithin(hangMs)
  return code ?? 1
}

/** Finds the suites that import the seed. */
function seededSuites(): readonly string[] {
  return ['src', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name}`)
      .filter((file) => file.endsWith('.test.ts') && readText(file).includes('support/seed.ts')),
  )
}

await runCommand({ usage, run })
