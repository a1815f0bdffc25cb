using System.Globalization;

namespace RunnerVm.Options.Yaml;

/// <summary>Reads single values; each method reports what is wrong and then gives null.</summary>
internal static class Scalars
{
    public static IReadOnlyDictionary<string, bool> Flags { get; } = new Dictionary<string, bool>
    {
        ["true"] = true,
        ["false"] = false,
    };

    /// <summary>Any text that is not empty; numbers and true or false count as they are written.</summary>
    public static string? Text(YamlValue value, string what, FileProblems problems)
    {
        if (value is YamlText { IsNull: false } text && !string.IsNullOrWhiteSpace(text.Text)) return text.Text;
        var hint = value is YamlMap ? "; where the text itself holds \": \", put quotes around it" : "";
        problems.Add(value.Position, $"{what} should be text, found {(value is YamlText ? "nothing" : value.Kind)}{hint}");
        return null;
    }

    /// <summary>One text or a list with at least one.</summary>
    public static IReadOnlyList<string>? TextOrList(YamlValue value, string what, FileProblems problems)
    {
        if (value is not YamlList list)
        {
            if (value is YamlMap || value.IsNull)
            {
                problems.Add(value.Position, $"{what} should be text or a list of texts, found {value.Kind}");
                return null;
            }

            return Text(value, what, problems) is { } single ? [single] : null;
        }

        if (list.Items.Count == 0) problems.Add(list.Position, $"{what} is an empty list; write at least one entry or leave the key out");
        return Texts(list, what, problems);
    }

    /// <summary>The texts of a list that may be empty.</summary>
    public static IReadOnlyList<string> Texts(YamlList list, string what, FileProblems problems) =>
        [.. list.Items.Select(item => Text(item, "an entry of " + what, problems)).OfType<string>()];

    public static bool Choice<T>(
        YamlValue value, string what, IReadOnlyDictionary<string, T> choices, FileProblems problems, out T? choice)
    {
        choice = default;
        if (value is YamlText text && choices.TryGetValue(text.Text, out choice)) return true;
        var written = value is YamlText { IsNull: false } wrong ? Quoted.Text(wrong.Text) : value.Kind;
        var nearest = value is YamlText near ? NearestName.Find(near.Text, choices.Keys) : null;
        var hint = nearest is null ? "" : $"; did you mean \"{nearest}\"?";
        problems.Add(value.Position, $"{what} should be one of {Quoted.Names(choices.Keys)}, found {written}{hint}");
        return false;
    }

    public static int? WholeNumber(YamlValue value, string what, int least, int most, FileProblems problems)
    {
        var isNumber = int.TryParse((value as YamlText)?.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        if (isNumber && number >= least && number <= most) return number;
        var written = value is YamlText { IsNull: false } text ? Quoted.Text(text.Text) : value.Kind;
        problems.Add(value.Position, $"{what} should be a whole number from {least} to {most}, found {written}");
        return null;
    }

    public static long? Size(YamlValue value, string what, long least, long most, FileProblems problems)
    {
        if (!ByteSize.TryParse((value as YamlText)?.Text, out var bytes, out var problem))
        {
            problems.Add(value.Position, $"{what}: {problem}");
            return null;
        }

        if (bytes >= least && bytes <= most) return bytes;
        problems.Add(
            value.Position,
            $"{what} should be from {ByteSize.Format(least)} to {ByteSize.Format(most)}, found {ByteSize.Format(bytes)}");
        return null;
    }

    public static TimeSpan? Time(YamlValue value, string what, TimeSpan least, TimeSpan most, FileProblems problems)
    {
        if (!Duration.TryParse((value as YamlText)?.Text, out var time, out var problem))
        {
            problems.Add(value.Position, $"{what}: {problem}");
            return null;
        }

        if (time >= least && time <= most) return time;
        problems.Add(
            value.Position, $"{what} should be from {Duration.Format(least)} to {Duration.Format(most)}, found {Duration.Format(time)}");
        return null;
    }
}
