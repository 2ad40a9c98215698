// What the API answers; see /api/v1/openapi.json.

export type ItemId = string | number;

export interface Item {
  item_id: ItemId;
  title: string;
  year: number | null;
  genres: string[];
  n_ratings: number;
}

export interface PredictedItem extends Item {
  rating: number;
  levels: number[];
  probabilities: number[];
  probability_of_liking: number;
}

export interface ShortReason {
  item_id: ItemId;
  title: string;
  rating: number | null;
  contribution: number; // to the probability of liking; of a model of choices, to the score
  score_contribution: number | null; // to what the list is ranked by
}

export interface Place extends PredictedItem {
  rank: number;
  score: number;
  probability_of_choice: number | null; // null where lists are ranked by liking alone
  reasons: ShortReason[];
}

/** A place of a model that learned from choices. */
export interface ChosenPlace extends Item {
  rank: number;
  score: number;
  probability: number | null;
  reasons: ShortReason[];
}

export type Recommendations = { n_rated: number; hidden: number[] | null } & (
  | { kind: "ratings"; recommendations: Place[] }
  | { kind: "choices"; recommendations: ChosenPlace[] }
);

export interface ChoiceExplanation {
  kind: "choices";
  item: ChosenPlace;
  reasons: ShortReason[];
}

export interface UnitPart {
  unit: number;
  part: number;
}

export interface FullReason extends ShortReason {
  rating_contribution: number;
  by_unit: UnitPart[];
}

export interface Explanation {
  kind: "ratings";
  item: PredictedItem;
  baseline: PredictedItem;
  reasons: FullReason[];
  score: number;
  probability_of_choice: number | null;
  units: UnitPart[];
  method: string;
}

export interface UnitItem {
  item_id: ItemId;
  title: string;
  weight: number;
  n_ratings: number;
}

export interface Unit {
  unit: number;
  bias: number;
  resting_activation: number;
  positive: UnitItem[];
  negative: UnitItem[];
}

export interface Activation {
  unit: number;
  field: number;
  probability: number;
  resting: number;
}

export interface DreamItem extends PredictedItem {
  rank: number;
  before: number;
  rise: number;
}

export interface Dream {
  rising: DreamItem[];
  falling: DreamItem[];
}

/** What is served: a model of ratings, or one that learned from choices, which knows no ratings. */
export type Served = ModelInfo | ChoiceModelInfo;

export interface ChoiceModelInfo {
  kind: "choices";
  name: string;
  algorithm: string;
  n_items: number;
  n_units: number;
  n_training_choices: number;
  calibrated: boolean;
  has_titles: boolean;
  has_record: boolean;
  settings: Record<string, unknown>;
  terms: string;
}

export interface ModelInfo {
  kind: "ratings";
  name: string;
  fingerprint: string;
  library: string;
  cases: "users" | "items" | "both";
  n_items: number;
  n_hidden: number;
  n_units: number;
  n_parameters: number;
  n_training_ratings: number;
  scale: { levels: number[]; names: string[] | null; description: string };
  like: number;
  has_choices: boolean;
  has_titles: boolean;
  has_record: boolean;
  settings: Record<string, unknown>;
  terms: string;
}

export interface TrainingEvent {
  kind: string;
  machine: string;
  phase: string;
  epoch: number;
  best_epoch: number;
  validation_rmse: number | null;
  validation_log_loss: number | null;
  free_energy_gap: number | null;
}

export interface Score {
  rmse: number;
  mae: number;
  log_loss: number;
  ece: number;
  ece_by_chance: number;
  n: number;
  rmse_se: number | null;
  mae_se: number | null;
  log_loss_se: number | null;
  reliability: { predicted: number; observed: number; n: number }[];
}

export interface Evaluation {
  protocol: string;
  model: Score;
  baselines: Record<string, Score>;
  differences: Record<string, Pick<Score, "rmse" | "mae" | "log_loss" | "rmse_se" | "mae_se" | "log_loss_se">>;
  n_users: number;
  like: number;
}

/** Of a model of choices: metrics by name, each with its standard error under name_se. */
export type ListEvaluation = { protocol: string; n_users: number } & Record<string, number | string | null>;

export interface Histogram {
  edges: number[];
  counts: number[];
  quantiles: number[];
}

export interface FreeEnergies {
  n_users: number;
  free_energy_per_rating: Histogram;
  surprise_per_rating: Histogram;
}

export interface EnergyAnswer {
  free_energy: number;
  free_energy_per_rating: number;
  surprise_per_rating: number | null;
  percentile: number | null;
  n_rated: number;
  ratings: { item_id: ItemId; title: string; rating: number | null; free_energy: number; surprise: number | null }[];
  hidden: number[];
}
