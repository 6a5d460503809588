import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Evidence } from '../../functional_test/evidence.ts'
import { judge } from '../../functional_test/invariants.ts'
import type { Finding } from '../../functional_test/judgement.ts'
import type { Part } from './part.ts'
import type { Shop } from './shop.ts'

/** Compares the answers to the bots of all waves with the shop, and adds the violations up. */
export function judgeWaves(waves: readonly Evidence[]): Finding[] {
  const sums = new Map<string, Finding>()
  for (const [index, evidence] of waves.entries()) {
    for (const finding of judge(evidence)) {
      const sum = sums.get(finding.id) ?? { ...finding, violations: 0, measured: '', examples: [] }
      sums.set(finding.id, add(sum, finding, `sale ${index + 1}`))
    }
  }
  return [...sums.values()]
}

const examplesMax = 20

function add(sum: Finding, finding: Finding, sale: string): Finding {
  if (finding.violations === 0) return sum
  const { violations, measured, examples } = finding
  const told = `${sale}: ${measured}`
  return {
    ...sum,
    violations: sum.violations + violations,
    measured: sum.measured === '' ? told : `${sum.measured}; ${told}`,
    examples: [...sum.examples, ...examples.map((example) => `${sale}: ${example}`)].slice(
      0,
      examplesMax,
    ),
  }
}

/** Reports a process that died by itself or did not stop in order. */
export function judgeEnds({ name, mishaps }: Pick<Part, 'name' | 'mishaps'>): Finding[] {
  const titles = {
    crash: `${name} never ends by itself`,
    stop: `${name} stops in order whenever it is told to`,
  }
  return (['crash', 'stop'] as const).map((id) => {
    const examples = mishaps()
      .filter(({ kind }) => kind === id)
      .map(({ what }) => what)
    const measured = examples.length === 0 ? 'every time' : `${examples.length} times not`
    return { id, title: titles[id], violations: examples.length, measured, examples }
  })
}

const auditScript = join(import.meta.dirname, '..', '..', 'scripts', 'command.js')

/** Compares our database and the provider's ledger from outside, by `npm run audit`. */
export async function judgeBooks({ databasePath, provider }: Shop): Promise<Finding> {
  const options = ['--database', databasePath, '--provider', provider.origin]
  const command = [auditScript, 'audit', ...options]
  const about = { id: 'books', title: 'our books and the provider’s agree (npm run audit)' }
  try {
    await promisify(execFile)(process.execPath, command)
    return { ...about, violations: 0, measured: 'exit code 0', examples: [] }
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string }
    const said = `${stdout ?? ''}${stderr ?? ''}`
      .split('\n')
      .filter((line) => /VIOL|UNCH|\{/.test(line))
    return { ...about, violations: 1, measured: `exit code ${code ?? 'none'}`, examples: said }
  }
}
