import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { codeBlocks, readText, section } from './documents.ts'

/** The heading of the section whose commands tests run as they are written. */
const walkHeading = 'A sale with curl'
const nsqHeading = 'Over NSQ'

export interface WalkResult {
  /** The output, with everything that differs from run to run replaced by `…`. */
  readonly seen: string
  /** The output that README.md shows. */
  readonly promised: readonly string[]
}

/** Runs the commands of the walk in `sh`, word for word; only the address may differ. */
export async function walk(url: string, adminToken: string): Promise<WalkResult> {
  const text = section(readText('README.md'), walkHeading)
  const commands = codeBlocks(text, 'sh').join('')
  const { stdout, stderr } = await promisify(execFile)('sh', ['-eu', '-c', commands], {
    env: { PATH: process.env['PATH'], HOLDFAST_URL: url, ADMIN_TOKEN: adminToken },
    timeout: 60_000,
  })
  const promised = codeBlocks(text, 'json').flatMap((block) => block.trim().split('\n'))
  return { seen: withoutChance(`${stderr}${stdout}`), promised }
}

function withoutChance(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '…')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '…')
}

export interface RoleCommand {
  readonly environment: Readonly<Record<string, string>>
  readonly command: string
}

/** The lines that start the roles over NSQ: `NAME=value NAME=value command`. */
export function roleCommands(): readonly RoleCommand[] {
  const blocks = codeBlocks(section(readText('README.md'), nsqHeading), 'sh')
  const lines = blocks.flatMap((block) => block.trim().split('\n'))
  return lines
    .filter((line) => line.startsWith('ROLE='))
    .map((line) => {
      const assignments = [...line.matchAll(/([A-Z_]+)=(\S*) /g)]
      const environment = Object.fromEntries(
        assignments.map(([, name = '', value = '']) => [name, value]),
      )
      return { environment, command: line.replaceAll(/[A-Z_]+=\S* /g, '') }
    })
}
