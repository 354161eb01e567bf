//! Montgomery arithmetic on several numbers side by side, over any kind of lanes.
//!
//! Number k of a batch lives in lane k of each vector. Products are summed by columns without carrying; the carries
//! run once at the end. So nothing here depends on a lane's value, and all lanes go in step.

/// Repeats the block for each row, its number a constant, as a loop is not always unrolled.
macro_rules! each_row {
    ($row:ident < $rows:ident, $block:block) => {
        each_row!(@ $row $rows $block 0 1 2 3 4 5 6 7)
    };
    (@ $row:ident $rows:ident $block:block $($number:literal)*) => {
        $(
            if $number < $rows {
                let $row: usize = $number;
                $block
            }
        )*
    };
}

/// A vector with one limb, or one column of products, of each number. Limbs have [`BITS`](Self::BITS) bits.
pub(super) trait Lanes: Copy {
    /// A limb in the form that the processor multiplies.
    type Factor: Copy;
    /// How many numbers go side by side.
    const COUNT: usize;
    /// The radix is 2^BITS, small enough that a column holds the sum of 12 products a limb.
    const BITS: u32;
    /// How many rows of products the registers have room for: 2, 4 or 8. Or 1: a single column is summed at a time.
    const ROWS: usize;

    /// A vector from its lanes.
    fn new(lane: impl Fn(usize) -> u64) -> Self;
    /// The lowest 64 bits of a lane.
    fn lane(self, index: usize) -> u64;
    /// The sum.
    fn add(self, other: Self) -> Self;
    /// Each lane shifted left by 0 or 1, as the lanes of `by` say.
    fn shift(self, by: Self) -> Self;
    /// Modulo the radix.
    fn low(self) -> Self;
    /// Divided by the radix, rounded down. A column may be negative.
    fn carry(self) -> Self;
    /// The limb as a factor.
    fn to_factor(self) -> Self::Factor;
    /// And back.
    fn from_factor(factor: Self::Factor) -> Self;
    /// Adds the halves of `a * b` to two neighbouring columns, each with some surplus.
    fn multiply(a: Self::Factor, b: Self::Factor, low: Self, high: Self) -> (Self, Self);
    /// Takes away the surplus of so many low and high halves.
    fn less_surplus(self, lows: isize, highs: isize) -> Self;
}

/// Residues in Montgomery form: x R mod n, below 4 n.
pub(super) type Residues<V> = Vec<<V as Lanes>::Factor>;

/// Bits above the number: a residue doubled stays below 4 n, and (4 n)^2 / R + n below 2 n.
const ROOM: usize = 4;

/// The numbers that are calculated with, all odd.
pub(super) struct Moduli<V: Lanes> {
    limbs: Vec<V::Factor>,
    /// -1/n modulo the radix.
    inverse: V::Factor,
    columns: Vec<V>,
    /// Of n, that are added in a reduction; used only where columns are summed one by one.
    multiples: Vec<V::Factor>,
}

impl<V: Lanes> Moduli<V> {
    /// `number` gives that of each lane, of at most `bits` bits.
    #[inline(always)]
    pub(super) fn new<'a>(bits: usize, number: impl Fn(usize) -> &'a [u64]) -> Self {
        let count = (bits + ROOM).div_ceil(V::BITS as usize).max(V::ROWS).max(2);
        let limbs = limbs::<V>(count, &number);
        let lowest = |lane| number(lane).first().copied().unwrap_or(1);
        let inverse = V::new(|lane| negative_inverse(lowest(lane)) & mask(V::BITS)).to_factor();
        let multiples = vec![inverse; count];
        Self { limbs, inverse, columns: vec![V::new(|_| 0); 2 * count], multiples }
    }

    /// log2 R.
    pub(super) fn log_r(&self) -> usize {
        self.limbs.len() * V::BITS as usize
    }

    /// Those whose Montgomery form `number` gives.
    #[inline(always)]
    pub(super) fn residues<'a>(&self, number: impl Fn(usize) -> &'a [u64]) -> Residues<V> {
        limbs::<V>(self.limbs.len(), &number)
    }

    /// x^2, doubled where the lane of `double` is 1.
    #[inline(always)]
    pub(super) fn square(&mut self, x: &mut [V::Factor], double: V) {
        if V::ROWS == 1 {
            self.square_by_columns(x);
            return self.take(x, double);
        }
        self.columns.fill(V::new(|_| 0));
        let [ones, fours] = odd_rows(x.len(), V::ROWS);
        self.add_mixed::<1>(x, 0, ones);
        self.add_mixed::<4>(x, ones, fours);
        match V::ROWS {
            8 => self.add_mixed::<8>(x, fours, x.len()),
            4 => self.add_mixed::<4>(x, fours, x.len()),
            _ => self.add_mixed::<2>(x, fours, x.len()),
        }
        self.double_and_add_squares(x);
        self.reduce();
        self.take(x, double);
    }

    /// The same, where a column is as fast as a register: nothing is stored but the sums of whole columns.
    #[inline(always)]
    fn square_by_columns(&mut self, x: &[V::Factor]) {
        let count = x.len();
        let mut sum = V::new(|_| 0);
        for column in 0..2 * count - 1 {
            let least = (column + 1).saturating_sub(count);
            let half = column.div_ceil(2);
            let mixed = dot::<V>(V::new(|_| 0), &x[least..half], &x[column + 1 - half..=column - least]);
            sum = sum.add(mixed).add(mixed);
            if column % 2 == 0 {
                sum = dot(sum, &x[half..=half], &x[half..=half]);
            }
            let known = column.min(count);
            sum = dot(sum, &self.multiples[least..known], &self.limbs[column + 1 - known..=column - least]);
            if column < count {
                self.multiples[column] = low_product::<V>(sum.low().to_factor(), self.inverse);
                sum = dot(sum, &self.multiples[column..=column], &self.limbs[..1]).carry();
            } else {
                self.columns[column] = sum;
                sum = V::new(|_| 0);
            }
        }
        self.columns[2 * count - 1] = sum;
    }

    /// x y.
    #[inline(always)]
    pub(super) fn multiply(&mut self, x: &mut [V::Factor], y: &[V::Factor]) {
        self.columns.fill(V::new(|_| 0));
        for (place, &row) in x.iter().enumerate() {
            sweep(&mut self.columns[place..], &[row], y);
        }
        self.reduce();
        self.take(x, V::new(|_| 0));
    }

    /// The products of different limbs, once each, for rows `from..to`.
    #[inline(always)]
    fn add_mixed<const R: usize>(&mut self, x: &[V::Factor], from: usize, to: usize) {
        for place in (from..to).step_by(R) {
            let columns = &mut self.columns[2 * place..];
            let Some((rows, above)) = x[place..].split_first_chunk::<R>() else { return };
            let mut block = Block::<V, R>::load(columns);
            each_row!(i < R, {
                for j in 0..R {
                    if i < j {
                        block.add(i + j, rows[i], rows[j]);
                    }
                }
            });
            block.store(columns);
            sweep(&mut columns[R..], rows, above);
        }
    }

    #[inline(always)]
    fn double_and_add_squares(&mut self, x: &[V::Factor]) {
        for (&limb, [low, high]) in x.iter().zip(self.columns.as_chunks_mut::<2>().0) {
            let (even, odd) = V::multiply(limb, limb, low.add(*low), high.add(*high));
            (*low, *high) = (even.less_surplus(1, 0), odd.less_surplus(0, 1));
        }
    }

    /// Adds the multiple of n that turns the lower half of the columns to zero, but for what they carry.
    #[inline(always)]
    fn reduce(&mut self) {
        let [ones, fours] = odd_rows(self.limbs.len(), V::ROWS);
        self.reduce_rows::<1>(0, ones);
        self.reduce_rows::<4>(ones, fours);
        match V::ROWS {
            8 => self.reduce_rows::<8>(fours, self.limbs.len()),
            4 => self.reduce_rows::<4>(fours, self.limbs.len()),
            2 => self.reduce_rows::<2>(fours, self.limbs.len()),
            _ => self.reduce_rows::<1>(fours, self.limbs.len()),
        }
    }

    #[inline(always)]
    fn reduce_rows<const R: usize>(&mut self, from: usize, to: usize) {
        let Some((lowest, above)) = self.limbs.split_first_chunk::<R>() else { return };
        for place in (from..to).step_by(R) {
            let columns = &mut self.columns[place..];
            let mut rows = [self.inverse; R];
            let mut block = Block::<V, R>::load(columns);
            // What the next row depends on, and then the others.
            each_row!(i < R, {
                rows[i] = low_product::<V>(block.near[i].low().to_factor(), self.inverse);
                for j in 0..R {
                    if i + j < R {
                        block.add(i + j, rows[i], lowest[j]);
                    }
                }
                block.carry(i);
            });
            each_row!(i < R, {
                for j in 0..R {
                    if i + j >= R {
                        block.add(i + j, rows[i], lowest[j]);
                    }
                }
            });
            block.store(columns);
            sweep(&mut columns[R..], &rows, above);
        }
    }

    /// The upper half of the columns, carried through.
    #[inline(always)]
    fn take(&self, x: &mut [V::Factor], double: V) {
        let mut carried = V::new(|_| 0);
        for (limb, column) in x.iter_mut().zip(&self.columns[self.limbs.len()..]) {
            let sum = column.shift(double).add(carried);
            *limb = sum.low().to_factor();
            carried = sum.carry();
        }
    }
}

/// Two times R columns, in registers.
struct Block<V, const R: usize> {
    near: [V; R],
    far: [V; R],
}

impl<V: Lanes, const R: usize> Block<V, R> {
    #[inline(always)]
    fn load(columns: &[V]) -> Self {
        let columns = &columns[..2 * R];
        Self { near: std::array::from_fn(|i| columns[i]), far: std::array::from_fn(|i| columns[R + i]) }
    }

    #[inline(always)]
    fn store(self, columns: &mut [V]) {
        let (near, far) = columns[..2 * R].split_at_mut(R);
        near.copy_from_slice(&self.near);
        far.copy_from_slice(&self.far);
    }

    #[inline(always)]
    fn at(&mut self, column: usize) -> &mut V {
        if column < R { &mut self.near[column] } else { &mut self.far[column - R] }
    }

    #[inline(always)]
    fn add(&mut self, column: usize, a: V::Factor, b: V::Factor) {
        let (low, high) = V::multiply(a, b, *self.at(column), *self.at(column + 1));
        *self.at(column) = low.less_surplus(1, 0);
        *self.at(column + 1) = high.less_surplus(0, 1);
    }

    #[inline(always)]
    fn carry(&mut self, column: usize) {
        let carried = self.near[column].carry();
        *self.at(column + 1) = self.at(column + 1).add(carried);
    }
}

/// Where single rows end, and where rows of four: those before the full blocks, as these then stay aligned.
fn odd_rows(count: usize, block: usize) -> [usize; 2] {
    [count % block.min(4), count % block]
}

/// `sum` and the low halves of the first of `a` times the last of `b`, and so on.
#[inline(always)]
fn dot<V: Lanes>(sum: V, a: &[V::Factor], b: &[V::Factor]) -> V {
    a.iter().zip(b.iter().rev()).fold(sum, |sum, (&a, &b)| V::multiply(a, b, sum, sum).0)
}

#[inline(always)]
fn low_product<V: Lanes>(a: V::Factor, b: V::Factor) -> V::Factor {
    let zero = V::new(|_| 0);
    V::multiply(a, b, zero, zero).0.less_surplus(1, 0).low().to_factor()
}

#[inline(always)]
fn add_product<V: Lanes>(columns: &mut [V], place: usize, a: V::Factor, b: V::Factor) {
    let (low, high) = V::multiply(a, b, columns[place], columns[place + 1]);
    columns[place] = low.less_surplus(1, 0);
    columns[place + 1] = high.less_surplus(0, 1);
}

fn add_products<V: Lanes>(columns: &mut [V], rows: &[V::Factor], limbs: &[V::Factor]) {
    for (i, &row) in rows.iter().enumerate() {
        for (j, &limb) in limbs.iter().enumerate() {
            add_product(columns, i + j, row, limb);
        }
    }
}

/// Adds `rows[i] * limbs[j]` to column i + j. The columns in work, R and one, stay in registers.
#[inline(always)]
fn sweep<V: Lanes, const R: usize>(columns: &mut [V], rows: &[V::Factor; R], limbs: &[V::Factor]) {
    if limbs.len() < R {
        return add_products(columns, rows, limbs);
    }
    // Each column but the first and the last R gets R lows and R highs.
    let all = R as isize;
    let columns = &mut columns[..limbs.len() + R];
    let mut window: [V; R] = std::array::from_fn(|i| columns[i].less_surplus(i as isize + 1, i as isize));
    for (j, &limb) in limbs.iter().enumerate() {
        let mut next = [columns[j + R].less_surplus(all, all); R];
        let mut column = window[0];
        for i in 0..R {
            let above = if i + 1 < R { window[i + 1] } else { next[R - 1] };
            let (low, high) = V::multiply(rows[i], limb, column, above);
            if i == 0 {
                columns[j] = low;
            } else {
                next[i - 1] = low;
            }
            column = high;
        }
        next[R - 1] = column;
        window = next;
    }
    for (i, (column, sum)) in columns[limbs.len()..].iter_mut().zip(window).enumerate() {
        *column = sum.less_surplus(-(i as isize) - 1, -(i as isize));
    }
}

#[inline(always)]
fn limbs<'a, V: Lanes>(count: usize, number: &impl Fn(usize) -> &'a [u64]) -> Vec<V::Factor> {
    let mut limbs = Vec::with_capacity(count);
    for place in 0..count {
        limbs.push(V::new(|lane| limb(number(lane), place, V::BITS)).to_factor());
    }
    limbs
}

/// Limb `place` of a number, in limbs of `bits` bits instead of 64.
pub(super) fn limb(number: &[u64], place: usize, bits: u32) -> u64 {
    let (word, shift) = (place * bits as usize / 64, place * bits as usize % 64);
    let of = |word: usize| u128::from(number.get(word).copied().unwrap_or(0));
    ((of(word) | of(word + 1) << 64) >> shift) as u64 & mask(bits)
}

fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// -1/odd modulo 2^64, by Newton: each step doubles the right bits, and `odd` is its own inverse modulo 8.
fn negative_inverse(odd: u64) -> u64 {
    let step = |x: u64, _| x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
    (0..5).fold(odd, step).wrapping_neg()
}
