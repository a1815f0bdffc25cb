using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace RunnerVm.Options.Yaml;

/// <summary>
/// Builds <see cref="YamlValue"/>s from the parser's events. YamlDotNet's own tree is not used here because it stops at
/// the first doubled key, hashes keys through aliases and nests calls as deep as the file says; this one is bounded.
/// </summary>
internal sealed class YamlDocument
{
    /// <summary>Our files need six levels.</summary>
    private const int MaximumDepth = 16;

    /// <summary>Text plus a flat charge a value, aliases counted each time. A file of 1 MiB reaches it only by repeating aliases.</summary>
    private const long MaximumWeight = 16L << 20;

    private const int ValueWeight = 16;

    private readonly IParser parser;
    private readonly Dictionary<AnchorName, (YamlValue Value, long Weight)> anchors = [];
    private long weight;

    private YamlDocument(TextReader reader) => parser = new Parser(reader);

    /// <summary>The one document in <paramref name="text"/>, or null when it holds nothing.</summary>
    /// <exception cref="YamlException">It is no YAML, or YAML we refuse; start and message are for people.</exception>
    public static YamlValue? Read(string text)
    {
        using var reader = new StringReader(text);
        var document = new YamlDocument(reader);
        try
        {
            return document.ReadStream();
        }
        catch (InvalidOperationException lost)
        {
            // What the library's scanner says to some broken files, for example one that starts with "...".
            var at = document.parser.Current?.End ?? new Mark(0, 1, 1);
            throw new YamlException(at, at, "the text ends or begins in the middle of something", lost);
        }
    }

    private YamlValue? ReadStream()
    {
        parser.Consume<StreamStart>();
        if (parser.Accept<StreamEnd>(out _)) return null;
        parser.Consume<DocumentStart>();
        var value = ReadValue(0);
        parser.Consume<DocumentEnd>();
        if (parser.Accept<DocumentStart>(out var second)) throw Refused(second, "a second document starts here; a file holds one");
        return value.IsNull ? null : value;
    }

    private YamlValue ReadValue(int depth)
    {
        if (parser.TryConsume<AnchorAlias>(out var alias)) return Expand(alias);
        var start = parser.Consume<NodeEvent>();
        if (depth > MaximumDepth) throw Refused(start, $"nested more than {MaximumDepth} levels deep");
        if (!start.Tag.IsEmpty && !start.Tag.IsNonSpecific && !start.Tag.Value.StartsWith("tag:yaml.org,2002:", StringComparison.Ordinal))
        {
            throw Refused(start, $"the tag {Quoted.Text(start.Tag.Value)} is unknown; use plain YAML without tags");
        }

        var weightBefore = weight;
        Charge(start, ValueWeight);
        YamlValue value = start switch
        {
            Scalar scalar => ReadText(scalar),
            SequenceStart => ReadList(start, depth),
            _ => ReadMap(start, depth),
        };
        if (!start.Anchor.IsEmpty) anchors[start.Anchor] = (value, weight - weightBefore);
        return value;
    }

    private YamlText ReadText(Scalar scalar)
    {
        Charge(scalar, scalar.Value.Length);
        if (scalar.Value.Contains('\0')) throw Refused(scalar, "holds a NUL character, which no script or variable can");
        return new(At(scalar), scalar.Value, scalar.Style == ScalarStyle.Plain);
    }

    private YamlList ReadList(NodeEvent start, int depth)
    {
        var items = new List<YamlValue>();
        while (!parser.TryConsume<SequenceEnd>(out _)) items.Add(ReadValue(depth + 1));
        return new(At(start), items);
    }

    private YamlMap ReadMap(NodeEvent start, int depth)
    {
        var entries = new List<YamlEntry>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (!parser.TryConsume<Scalar>(out var key)) throw Refused(parser.Current!, "a key is plain text, not a list, a map or an alias");
            if (key.Value == "<<") throw Refused(key, "merge keys (<<) are not supported; write the keys out");
            Charge(key, key.Value.Length + ValueWeight);
            entries.Add(new(At(key), key.Value, ReadValue(depth + 1)));
        }

        return new(At(start), entries);
    }

    private YamlValue Expand(AnchorAlias alias)
    {
        if (!anchors.TryGetValue(alias.Value, out var anchored))
        {
            throw Refused(alias, $"nothing before this is marked &{alias.Value}");
        }

        Charge(alias, anchored.Weight);
        return anchored.Value;
    }

    private void Charge(ParsingEvent at, long amount)
    {
        weight += amount;
        if (weight > MaximumWeight) throw Refused(at, "its aliases expand to more than 16 MiB");
    }

    private static YamlRefusedException Refused(ParsingEvent at, string reason) => new(at.Start, at.End, reason);

    private static FilePosition At(ParsingEvent at) => new(at.Start.Line, at.Start.Column);
}
