import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Evidence } from '../functional_test/evidence.ts'
import { judge } from '../functional_test/invariants.ts'
import type { Finding } from '../functional_test/judgement.ts'
import type { Exit, Shop } from './shop.ts'

/** What the bots of all waves were told against the shop's answers; violations added up. */
export function judgeWaves(waves: readonly Evidence[]): Finding[] {
  const sums = new Map<string, Finding>()
  for (const evidence of waves) {
    for (const finding of judge(evidence)) {
      const sum = sums.get(finding.id)
      sums.set(finding.id, sum === undefined ? finding : add(sum, finding))
    }
  }
  return [...sums.values()]
}

function add(sum: Finding, finding: Finding): Finding {
  return {
    ...sum,
    violations: sum.violations + finding.violations,
    measured: `${sum.measured}; ${finding.measured}`,
    examples: [...sum.examples, ...finding.examples],
  }
}

export function judgeExit({ name, code }: Exit): Finding {
  return {
    id: 'stop',
    title: `${name} stops in order at the end`,
    violations: code === 0 ? 0 : 1,
    measured: code === null ? 'had to be killed' : `exit code ${code}`,
    examples: [],
  }
}

const auditScript = join(import.meta.dirname, '..', 'scripts', 'audit.ts')

/** Both books, from outside: `npm run audit`. */
export async function judgeBooks({ databasePath, provider }: Shop): Promise<Finding> {
  const options = ['--database', databasePath, '--provider', provider.origin]
  const command = ['--import', 'tsx', auditScript, ...options]
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
