import { Alert, Button, Group, List, Stack, Table, Text } from '@mantine/core'
import { useState } from 'react'
import { portfolio } from '@/api/client'
import { sentenceOf } from '@/api/problem'
import { KeyFacts } from '@/components/key-facts'
import { Panel } from '@/components/panel'
import { amount, percent, signedPercent, words } from '@/lib/format'
import { day } from '@/lib/time'
import { useRefresh } from '@/lib/use-refresh'
import { ColumnCheck } from './column-check'
import { RecordQuestions } from './record-questions'
import { type Answers, SOURCES, type Upload } from './types'

/** What was read from a file, and what a person has to say before it counts. */
export function RecordReview({ upload, close }: { upload: Upload; close: () => void }) {
  const { review } = upload
  const [answers, setAnswers] = useState<Answers>({ columns: {}, signed_off: [] })
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const refresh = useRefresh()
  const open = review.questions.filter((question) => !answered(question.topic, answers))
  const decided = upload.status !== 'OPEN'

  async function confirm() {
    setBusy(true)
    setFailure(null)
    try {
      const path = { strategy_id: upload.strategy_id, review_id: upload.review_id }
      const url = '/api/v1/strategies/{strategy_id}/records/{review_id}/confirm'
      await portfolio.POST(url, { params: { path }, body: answers })
      await refresh('/api/v1/strategies')
      close()
    } catch (error) {
      setFailure(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Panel
      title={`Review of ${upload.file_name}`}
      actions={
        <Button variant="default" onClick={close}>
          Close
        </Button>
      }
    >
      <Stack gap="md">
        <KeyFacts
          facts={[
            ['Becomes', SOURCES[upload.source] ?? upload.source],
            ['Rows in the file', String(review.rows)],
            ['Days', String(review.figures.days)],
            ['From, to', `${day(review.figures.first_on)} – ${day(review.figures.last_on)}`],
            ['Unit read', words(review.unit)],
            ['Order of the file', words(review.file_order)],
            ['Total', signedPercent(review.figures.total_ratio)],
            ['Volatility a year', percent(review.figures.volatility_ratio)],
            ['Sharpe', amount(review.figures.sharpe)],
            ['Worst drawdown', percent(review.figures.max_drawdown_ratio)],
            ['Best day', signedPercent(review.figures.best_day_ratio)],
            ['Worst day', signedPercent(review.figures.worst_day_ratio)],
          ]}
        />
        <ColumnCheck upload={upload} />
        <Oddities upload={upload} />
        <Rows upload={upload} />
        {!decided && (
          <RecordQuestions questions={review.questions} answers={answers} change={setAnswers} />
        )}
        {failure !== null && (
          <Alert color="red" variant="light" role="alert">
            {sentenceOf(failure)}
          </Alert>
        )}
        {decided ? (
          <Text fz="sm" c="dimmed">
            Confirmed as version {upload.number}.
          </Text>
        ) : (
          <Group gap="sm">
            <Button onClick={confirm} disabled={open.length > 0} loading={busy}>
              Confirm this record
            </Button>
            {open.length > 0 && (
              <Text fz="sm" c="dimmed">
                {open.length === 1 ? '1 question is' : `${open.length} questions are`} open.
              </Text>
            )}
          </Group>
        )}
      </Stack>
    </Panel>
  )
}

export function answered(topic: string, answers: Answers): boolean {
  if (topic === 'UNIT') return Boolean(answers.unit)
  if (topic === 'DATE_ORDER') return Boolean(answers.date_order)
  return answers.signed_off.some((each) => each === topic)
}

/** Duplicates, gaps, and what else is odd. */
function Oddities({ upload: { review } }: { upload: Upload }) {
  const told = [
    review.collapsed.length > 0 &&
      `Stood there more than once and were collapsed: ${review.collapsed.slice(0, 12).map(day).join(', ')}${review.collapsed.length > 12 ? ` and ${review.collapsed.length - 12} more` : ''}.`,
    review.weekend_days > 0 && `${review.weekend_days} days are on weekends.`,
    review.margin_is_derived && 'Margin follows from the returns, so it was not measured.',
    ...review.notes,
  ].filter((each): each is string => Boolean(each))
  return (
    <>
      {told.length > 0 && (
        <List size="sm" aria-label="What is odd">
          {told.map((each) => (
            <List.Item key={each}>{each}</List.Item>
          ))}
        </List>
      )}
      {review.gap_count > 0 && (
        <details>
          <summary>
            {review.gap_count === 1 ? '1 gap' : `${review.gap_count} gaps`} in the days
          </summary>
          <List size="sm" mt={4}>
            {review.gaps.map((gap) => (
              <List.Item key={gap.after}>
                {gap.missing} missing after {day(gap.after)}, until {day(gap.before)}
              </List.Item>
            ))}
          </List>
        </details>
      )}
    </>
  )
}

function Rows({ upload: { review } }: { upload: Upload }) {
  const rows = [...review.first, ...review.last]
  return (
    <Table.ScrollContainer minWidth={420}>
      <Table aria-label="First and last rows as they would be stored">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Day</Table.Th>
            <Table.Th ta="right">Return</Table.Th>
            <Table.Th ta="right">P&L</Table.Th>
            <Table.Th ta="right">Margin</Table.Th>
            <Table.Th ta="right">Equity</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row, place) => (
            <Table.Tr
              key={`${row.date}-${place < review.first.length ? 'first' : 'last'}`}
              style={
                place === review.first.length
                  ? { borderTop: '3px double var(--mantine-color-default-border)' }
                  : undefined
              }
            >
              <Table.Td>{day(row.date)}</Table.Td>
              <Table.Td ta="right" title={row.return}>
                {signedPercent(row.return, 4)}
              </Table.Td>
              <Table.Td ta="right">{amount(row.pnl)}</Table.Td>
              <Table.Td ta="right">{amount(row.margin)}</Table.Td>
              <Table.Td ta="right">{amount(row.equity)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}
