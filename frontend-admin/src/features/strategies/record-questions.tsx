import { Checkbox, Radio, Stack, Text } from '@mantine/core'
import { words } from '@/lib/format'
import type { Answers, Question } from './types'

/** What the file cannot say by itself. Nothing is chosen in advance: a factor of 100 is dear. */
export function RecordQuestions({
  questions,
  answers,
  change,
}: {
  questions: Question[]
  answers: Answers
  change: (answers: Answers) => void
}) {
  return (
    <Stack gap="sm">
      {questions.map((question) => (
        <QuestionOf key={question.topic} question={question} answers={answers} change={change} />
      ))}
    </Stack>
  )
}

function QuestionOf({
  question,
  answers,
  change,
}: {
  question: Question
  answers: Answers
  change: (answers: Answers) => void
}) {
  const { topic } = question
  const hints = [
    question.suggested && `looks like ${words(question.suggested)} (${words(question.confidence)})`,
    ...question.evidence,
  ].filter(Boolean)
  const hint = (
    <Text span fz="xs" c="dimmed">
      {hints.join(' · ')}
    </Text>
  )
  if (topic === 'UNIT' || topic === 'DATE_ORDER') {
    const field = topic === 'UNIT' ? 'unit' : 'date_order'
    return (
      <Radio.Group
        label={question.sentence}
        description={hint}
        value={answers[field] ?? ''}
        onChange={(chosen) => change({ ...answers, [field]: chosen })}
      >
        <Stack gap={4} mt={4}>
          {question.choices.map((choice) => (
            <Radio key={choice} size="xs" value={choice} label={words(choice)} />
          ))}
        </Stack>
      </Radio.Group>
    )
  }
  const others = answers.signed_off.filter((each) => each !== topic)
  return (
    <Checkbox
      size="xs"
      label={`${question.sentence} Yes, it is so.`}
      description={hint}
      checked={others.length !== answers.signed_off.length}
      onChange={(event) =>
        change({
          ...answers,
          signed_off: event.currentTarget.checked ? [...others, topic] : others,
        })
      }
    />
  )
}
