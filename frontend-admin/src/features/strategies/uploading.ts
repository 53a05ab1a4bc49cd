import { portfolio } from '@/api/client'
import { RequestFailed } from '@/api/problem'
import type { Upload } from './types'

export type Claim = 'backtest' | 'developer_live'
/** Columns that can be named, by what they are. */
export type Column = 'date' | 'return' | 'pnl' | 'margin' | 'equity'
export const COLUMNS: Column[] = ['date', 'return', 'pnl', 'margin', 'equity']

/** Files of reviews made here, so that one can be read again with other columns. */
const files = new Map<string, File>()

export function keepFile(reviewId: string, file: File): void {
  files.clear()
  files.set(reviewId, file)
}

export function keptFile(reviewId: string): File | undefined {
  return files.get(reviewId)
}

/** Have a file read; the answer is its review. */
export async function upload(
  strategyId: string,
  source: Claim,
  file: File,
  columns: Partial<Record<Column, string>> = {},
): Promise<Upload> {
  const form = new FormData()
  form.append('file', file, file.name)
  const query: Record<string, string> = { source }
  for (const column of COLUMNS) {
    const name = columns[column]
    if (name) query[`${column}_column`] = name
  }
  const { data } = await portfolio.POST('/api/v1/strategies/{strategy_id}/records', {
    params: { path: { strategy_id: strategyId }, query },
    body: { file: file.name },
    bodySerializer: () => form,
  })
  if (!data) throw new RequestFailed(0, { code: 'NO_ANSWER', message: 'no review came', field: '' })
  return data
}
