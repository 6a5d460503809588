import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pageOf } from './page.ts'
import type { Summary } from './summary.ts'

/** Writes report.json and report.html. @returns their paths. */
export async function writeReport(folder: string, summary: Summary): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true })
  const json = join(folder, 'report.json')
  await writeFile(json, `${JSON.stringify(summary, null, 2)}\n`)
  const page = join(folder, 'report.html')
  await writeFile(page, pageOf(summary))
  return [json, page]
}
