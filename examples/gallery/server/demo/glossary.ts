/** What the demo's model has words for, in Chinese. Its plural is the model's own; an English word without one adds an s. */
const THINGS: Readonly<Record<string, string | readonly [one: string, several: string]>> = {
  ...{
    猫: 'cat',
    狗: 'dog',
    马: 'horse',
    牛: 'cow',
    猪: 'pig',
    羊: ['sheep', 'sheep'],
    骆驼: 'camel',
    大象: 'elephant',
  },
  ...{ 长颈鹿: 'giraffe', 老虎: 'tiger', 狮子: 'lion', 猴子: 'monkey', 兔子: 'rabbit', 熊猫: 'panda' },
  ...{ 狐狸: ['fox', 'foxes'], 企鹅: 'penguin', 公鸡: 'rooster', 鸭子: 'duck', 猫头鹰: 'owl', 鹦鹉: 'parrot' },
  ...{ 火烈鸟: 'flamingo', 乌龟: 'turtle', 海龟: 'turtle', 蛇: 'snake', 青蛙: 'frog', 蜗牛: 'snail' },
  ...{ 蝴蝶: ['butterfly', 'butterflies'], 瓢虫: 'ladybug', 鱼: ['fish', 'fish'], 鲨鱼: 'shark', 鲸鱼: 'whale' },
  ...{ 章鱼: ['octopus', 'octopuses'], 螃蟹: 'crab', 恐龙: 'dinosaur', 汽车: 'car', 公交车: ['bus', 'buses'] },
  ...{ 拖拉机: 'tractor', 救护车: 'ambulance', 自行车: 'bicycle', 火车: 'train', 直升机: 'helicopter', 飞机: 'plane' },
  ...{ 火箭: 'rocket', 帆船: 'sailboat', 雨伞: 'umbrella', 伞: 'umbrella', 足球: 'football', 气球: 'balloon' },
  ...{ 吉他: 'guitar', 相机: 'camera', 闹钟: 'clock', 椅子: 'chair', 背包: 'backpack', 礼物: 'gift', 机器人: 'robot' },
  ...{ 泰迪熊: 'teddy bear', 蛋糕: 'cake', 披萨: 'pizza', 比萨: 'pizza', 汉堡: 'hamburger', 冰淇淋: 'ice cream' },
  ...{ 苹果: 'apple', 香蕉: 'banana', 菠萝: 'pineapple', 蘑菇: 'mushroom', 南瓜: 'pumpkin', 灯笼: 'lantern' },
};

const PLACES: Readonly<Record<string, string>> = {
  ...{ 海滩: 'on the beach', 沙滩: 'on the beach', 海边: 'by the sea', 雪: 'in the snow', 森林: 'in the forest' },
  ...{ 树林: 'in the woods', 沙漠: 'in the desert', 城市: 'in the city', 街: 'in the street', 山: 'in the mountains' },
  ...{ 草地: 'in the meadow', 草原: 'in the meadow', 厨房: 'in the kitchen', 客厅: 'in the living room' },
  ...{ 图书馆: 'in the library', 水下: 'under water', 水里: 'under water', 海里: 'in the sea', 海底: 'under water' },
  ...{ 太空: 'in space', 宇宙: 'in space' },
};

/** Anything may be said about three as well; more than that the model does not count. */
const COUNTS: Readonly<Record<string, string>> = { 两: 'two', 二: 'two', 三: 'three' };

/**
 * English for a Chinese query: the demo's model was trained on English sentences alone. A model that knows Chinese needs
 * nothing of this. A query without a word that is known stays as it is.
 */
export function translate(query: string): string {
  if (!/\p{Script=Han}/u.test(query)) return query;
  const thing = longestIn(query, THINGS);
  const place = longestIn(query, PLACES);
  if (thing === undefined && place === undefined) return query;
  const count = longestIn(query, COUNTS);
  const night = /夜|晚/.test(query) ? 'at night' : undefined;
  return [thing && named(thing, count), place, night].filter((part) => part !== undefined).join(' ');
}

function named(thing: string | readonly [string, string], count: string | undefined): string {
  const [one, several] = typeof thing === 'string' ? [thing, `${thing}s`] : thing;
  if (count !== undefined) return `${count} ${several}`;
  return `${/^[aeiou]/.test(one) ? 'an' : 'a'} ${one}`;
}

/** The longest word decides: an owl (猫头鹰) is no cat (猫). */
function longestIn<T>(query: string, words: Readonly<Record<string, T>>): T | undefined {
  const [found] = Object.entries(words)
    .filter(([word]) => query.includes(word))
    .sort(([one], [other]) => other.length - one.length);
  return found?.[1];
}
